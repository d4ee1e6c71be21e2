"""Pictures where denoising beats BM3D by the most and by the least.

  python -m experiments.quality.cases --out=experiments/results/quality/cases

Centre crops of scikit-image's pictures (their licences are clear), with clipped noise. A preset
and BM3D get the same array and the true noise level. The table has every picture. The sheet
``cases.png`` shows the best and the worst case for the preset, at full resolution.
"""

import functools
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import comparison, write_picture
from dip_jax.app.machine import choose_device
from dip_jax.damage import add_noise
from dip_jax.metrics import psnr_8_bit
from experiments.pictures import crop_centre, load_picture
from experiments.program import Table, define_common, publish, run_program
from experiments.quality.denoisers import check_method, denoise
from experiments.quality.tables import round_to_8_bits

NAME = "cases"
PICTURES = ("astronaut", "coffee", "chelsea", "brick", "grass")
BASELINE = "bm3d"
SHOWN = 128  # side of a panel in pixels


class Case(NamedTuple):
    """A picture, both restorations, and their PSNR in dB at 8 bits."""

    name: str
    clean: np.ndarray
    noisy: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray
    psnr: float
    baseline_psnr: float

    @property
    def ahead(self) -> float:
        """The preset's lead over the baseline in dB."""
        return self.psnr - self.baseline_psnr


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list(
        "pictures", list(PICTURES), "Two or more of " + ", ".join(PICTURES) + ".", **text
    )
    flags.DEFINE_integer("size", 256, "Side of the centre crop.", lower_bound=32, **text)
    flags.DEFINE_integer("sigma", 25, "Noise level in 8-bit levels.", lower_bound=1, **text)
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
    check_method(values.preset, "--preset")
    crops = {name: load_picture(name, values.size) for name in values.pictures}
    check_method(BASELINE, "the baseline")
    device = choose_device(values.backend)
    cases = [
        make_case(name, crop, values.sigma, values.preset, number)
        for number, (name, crop) in enumerate(crops.items())
    ]
    cases.sort(key=lambda make_case: make_case.ahead, reverse=True)
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
    publish([table], f"experiments.quality.{NAME}", argv, device, values.out)
    if values.out:
        write_picture(
            Path(values.out) / f"{NAME}.png", draw_sheet(cases[0], cases[-1], values.preset)
        )


def make_case(name: str, clean: np.ndarray, sigma: float, preset: str, seed: int) -> Case:
    """Runs both methods on one noisy array; ``seed`` is the noise's."""
    noisy = round_to_8_bits(add_noise(clean, sigma, seed=seed))
    ours, _ = denoise(preset, noisy, sigma, 0, clean)
    theirs, _ = denoise(BASELINE, noisy, sigma, 0, clean)
    return Case(
        name, clean, noisy, ours, theirs, psnr_8_bit(ours, clean), psnr_8_bit(theirs, clean)
    )


def draw_sheet(first: Case, last: Case, preset: str) -> np.ndarray:
    """Draws the centres of two cases, one above the other; float32 in [0, 1]."""
    rows = []
    for one in (first, last):
        panels = [
            (one.name, one.clean),
            ("noisy", one.noisy),
            (f"{preset} {one.psnr:.2f} dB", one.ours),
            (f"BM3D {one.baseline_psnr:.2f} dB", one.theirs),
        ]
        side = min(SHOWN, *one.clean.shape[:2])
        rows.append(comparison([(label, crop_centre(panel, side, "")) for label, panel in panels]))
    width = max(row.shape[1] for row in rows)
    rows = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(rows).astype(np.float32) / 255


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
