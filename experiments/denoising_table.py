"""Denoising: our presets and stopping rules beside classical methods, on the same arrays.

  DIP_JAX_DATA=... python -m experiments.denoising_table --sigmas=25 --methods=fast,nlm,bm3d

The nine colour pictures of the paper's table. Where the authors published their noisy files
(sigma 25 and 50: Gaussian noise, clipped, 8-bit) these are used; for other levels noise is
made in the same way. Every method gets the same array and the true noise level. PSNR is over
all pixels and channels of the 8-bit result. ``--size`` cuts the centre, 0 takes the whole.

The second table compares the picture that a stopping rule chose with the best step of the same
run, which only the clean picture tells; it is never used to stop or to choose. A rule that ends
a run too early hides what was still to come: so, where the method without a rule (``fast:none``)
is among the rows, the loss against the best step of that run is told too.

The third tells, of means of several fits, how the uncertainty map follows the true error: the rank
correlation of the two, over blocks of 8x8 pixels.

Rows are kept in --out as they are done; the same command goes on where it was.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app.degrade import add_noise, add_poisson_noise
from dip_jax.app.device import choose_device
from dip_jax.app.pictures import read_picture
from dip_jax.app.results import psnr_8_bit
from experiments.denoisers import CLASSICAL, check, denoise
from experiments.grid import Row
from experiments.program import Table, integers, publish, run_program
from experiments.rules import stopping
from experiments.tables import (
    centre,
    data_folder,
    define_grid,
    filled,
    in_8_bits,
    pictures_of,
    score_lines,
    short,
    size_note,
    stamp,
)

NAME = "denoising_table"
# Stem in set9, the authors' name of the noisy file, and the published PSNR at full size of
# the authors' own output and of CBM3D, for sigma 25 and 50.
PICTURES = {
    "image_House256rgb": ("hill", {25: (32.09, 32.72), 50: (29.69, 29.49)}),
    "image_Peppers512rgb": ("peppers", {25: (31.15, 30.75), 50: (28.04, 27.38)}),
    "image_Lena512rgb": ("lena", {25: (32.56, 32.06), 50: (28.78, 28.68)}),
    "image_Baboon512rgb": ("baboon", {25: (24.51, 26.01), 50: (21.14, 22.95)}),
    "image_F16_512rgb": ("F16", {25: (33.69, 32.67), 50: (29.17, 28.57)}),
    "kodim01": ("kodim01", {25: (28.44, 29.20), 50: (25.51, 25.62)}),
    "kodim02": ("kodim02", {25: (32.71, 32.16), 50: (28.50, 28.17)}),
    "kodim03": ("kodim03", {25: (33.79, 34.03), 50: (29.38, 29.73)}),
    "kodim12": ("kodim12", {25: (32.68, 33.14), 50: (29.01, 29.43)}),
}
PUBLISHED = ("authors' output", "CBM3D, published")
KEY = ("picture", "size", "sigma", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    methods = ("fast", "nlm", "tv", "bm3d")
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=CLASSICAL, size=256)
    flags.DEFINE_list("sigmas", ["25"], "Noise in 8-bit levels.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sigmas = integers("--sigmas", values.sigmas)
    for method in values.methods:
        check(method)
    data = data_folder(values, "set9")
    device = choose_device(values.backend)
    groups = [(name, values.size, sigma) for sigma in sigmas for name in values.pictures]
    rows = filled(values, NAME, KEY, groups, CLASSICAL, functools.partial(_row, data))
    tables = [
        quality(rows, values.methods, sigmas, values.size),
        stopping(rows, KEY, "sigma"),
        uncertainty(rows, values.methods, sigmas),
    ]
    publish([t for t in tables if t.rows], f"experiments.{NAME}", argv, device, values.out)


def noisy_and_clean(
    data: Path, name: str, size: int, level: int, kind: str = "gaussian"
) -> tuple[np.ndarray, np.ndarray]:
    """The noisy and the clean picture, float32 in [0, 1], the centre of each.

    Args:
      data: the folder of the pictures.
      name: of the picture.
      size: of the centre; 0 for the whole.
      level: of the noise, in 8-bit levels: sigma, or the gain of Poisson noise.
      kind: "gaussian" or "poisson".

    Raises:
      UserError: if the picture is smaller than ``size``.
    """
    clean = read_picture(str(data / "set9" / f"{name}.png")).image
    if kind == "poisson":
        noisy = in_8_bits(add_poisson_noise(clean, level, seed=0))
    elif name in PICTURES and level in PICTURES[name][1]:
        path = data / "set9_noisy" / f"sigma{level}" / f"{PICTURES[name][0]}_noisy.png"
        noisy = read_picture(str(path), flag="--data").image
    else:
        noisy = in_8_bits(add_noise(clean, level, seed=0))
    return centre(noisy, size, name), centre(clean, size, name)


def _row(data: Path, name: str, size: int, sigma: int, method: str, seed: int) -> dict[str, Any]:
    noisy, clean = noisy_and_clean(data, name, size, sigma)
    image, record = denoise(method, noisy, sigma, seed, clean)
    return {"psnr": f"{psnr_8_bit(image, clean):.3f}", **record, **stamp()}


def quality(rows: Sequence[Row], methods: Sequence[str], sigmas: Sequence[int], size: int) -> Table:
    """PSNR of each picture and method, by noise level."""
    lines = []
    for sigma in sigmas:
        own = [row for row in rows if row["sigma"] == str(sigma)]
        known = {name: scores[sigma] for name, (_, scores) in PICTURES.items() if sigma in scores}
        published = {
            label: {name: scores[index] for name, scores in known.items()}
            for index, label in enumerate(PUBLISHED)
        }
        for line in score_lines(own, methods, "psnr", {} if size else published):
            lines.append([sigma, *line])
    names = [short(name) for name in pictures_of(rows)]
    columns = ["sigma", "method", *names, "mean", "seconds a picture"]
    return Table("PSNR, dB", columns, lines, size_note(size))


def uncertainty(rows: Sequence[Row], methods: Sequence[str], sigmas: Sequence[int]) -> Table:
    """Rank correlation of the members' deviation with the true error, by noise level."""
    rows = [row for row in rows if row.get("rank_correlation")]
    lines = []
    for sigma in sigmas:
        own = [row for row in rows if row["sigma"] == str(sigma)]
        told = [method for method in methods if any(row["method"] == method for row in own)]
        for *line, _ in score_lines(own, told, "rank_correlation", {}):
            lines.append([sigma, *line])
    columns = ["sigma", "method", *(short(name) for name in pictures_of(rows)), "mean"]
    return Table("Uncertainty and true error, rank correlation", columns, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
