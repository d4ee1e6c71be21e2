"""Where denoising is strong and where it is weak, to look at.

  python -m experiments.cases --out=experiments/results/cases

Centres of pictures that come with scikit-image, whose licences are clear, with clipped noise; a
preset and BM3D get the same array and the true noise level. The table has every picture; the
sheet ``cases.png`` shows the two where the preset is furthest ahead of BM3D and furthest behind
it, the middle of each at full resolution.
"""

import functools
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from dip_jax.app.degrade import add_noise
from dip_jax.app.device import choose_device
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import write_picture
from dip_jax.app.results import psnr_8_bit
from dip_jax.app.sheet import comparison
from experiments.denoisers import check, denoise
from experiments.program import Table, define_common, publish, run_program
from experiments.tables import centre, in_8_bits

NAME = "cases"
PICTURES = ("astronaut", "coffee", "chelsea", "brick", "grass")
BASELINE = "bm3d"
SHOWN = 128  # pixels of a panel's side


class Case(NamedTuple):
    """A picture, what was made of it, and PSNR in dB of the 8-bit results."""

    name: str
    clean: np.ndarray
    noisy: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray
    psnr: float
    baseline_psnr: float

    @property
    def ahead(self) -> float:
        """By how many dB ours is ahead of the baseline."""
        return self.psnr - self.baseline_psnr


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list(
        "pictures", list(PICTURES), "Of " + ", ".join(PICTURES) + "; two or more.", **text
    )
    flags.DEFINE_integer("size", 256, "Height and width of the cut.", lower_bound=32, **text)
    flags.DEFINE_integer("sigma", 25, "Noise in 8-bit levels.", lower_bound=1, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    if len(set(values.pictures)) < 2:
        raise UserError("--pictures", ",".join(values.pictures), "must be two or more")
    for name in values.pictures:
        if name not in PICTURES:
            raise UserError("--pictures", name, "is unknown; there are " + ", ".join(PICTURES))
    check(values.preset, "--preset")
    cuts = {name: picture(name, values.size) for name in values.pictures}
    check(BASELINE, "the baseline")
    device = choose_device(values.backend)
    cases = [
        case(name, cut, values.sigma, values.preset, number)
        for number, (name, cut) in enumerate(cuts.items())
    ]
    cases.sort(key=lambda case: case.ahead, reverse=True)
    table = Table(
        f"PSNR, dB, sigma {values.sigma}, {values.size}x{values.size}",
        ["picture", "noisy", values.preset, BASELINE, "ahead by"],
        [
            [
                one.name,
                f"{psnr_8_bit(one.noisy, one.clean):.2f}",
                f"{one.psnr:.2f}",
                f"{one.baseline_psnr:.2f}",
                f"{one.ahead:+.2f}",
            ]
            for one in cases
        ],
    )
    publish([table], f"experiments.{NAME}", argv, device, values.out)
    if values.out:
        write_picture(Path(values.out) / f"{NAME}.png", sheet(cases[0], cases[-1], values.preset))


def picture(name: str, size: int) -> np.ndarray:
    """The centre of one of scikit-image's pictures, float32 ``[size, size, c]`` in [0, 1].

    Raises:
      UserError: if it is smaller.
    """
    from skimage import data

    whole = getattr(data, name)().astype(np.float32) / 255
    return centre(whole[:, :, None] if whole.ndim == 2 else whole, size, name)


def case(name: str, clean: np.ndarray, sigma: float, preset: str, seed: int) -> Case:
    """Both methods on one noisy array; ``seed`` is of the noise."""
    noisy = in_8_bits(add_noise(clean, sigma, seed=seed))
    ours, _ = denoise(preset, noisy, sigma, 0, clean)
    theirs, _ = denoise(BASELINE, noisy, sigma, 0, clean)
    return Case(
        name, clean, noisy, ours, theirs, psnr_8_bit(ours, clean), psnr_8_bit(theirs, clean)
    )


def sheet(first: Case, last: Case, preset: str) -> np.ndarray:
    """The middles of two cases, one above the other; float32 in [0, 1]."""
    rows = []
    for one in (first, last):
        panels = [
            (one.name, one.clean),
            ("noisy", one.noisy),
            (f"{preset} {one.psnr:.2f} dB", one.ours),
            (f"BM3D {one.baseline_psnr:.2f} dB", one.theirs),
        ]
        side = min(SHOWN, *one.clean.shape[:2])
        rows.append(comparison([(label, centre(panel, side, "")) for label, panel in panels]))
    width = max(row.shape[1] for row in rows)
    rows = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(rows).astype(np.float32) / 255


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
