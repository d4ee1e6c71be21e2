"""Denoising: our presets and stopping rules against classical methods, on the same arrays.

  DIP_JAX_DATA=... python -m experiments.quality.denoising_table --sigmas=25 --methods=fast,bm3d

The pictures are the nine colour pictures of the paper's table. For sigma 25 and 50 the noisy
files are the authors' own (Gaussian noise, clipped, 8-bit); other levels are made the same way.
Every method gets the same array and the true noise level. PSNR covers all pixels and channels
of the 8-bit result. ``--size`` crops the centre; 0 takes the whole picture.

The second table compares the step that a stopping rule chose with the best step of the same run.
The best step needs the clean picture; no rule uses it. A rule that ends a run too early hides
better steps, so the table also compares with the run without a rule (``fast:none``), if that is
among the methods.

The third table covers means of several fits: the rank correlation of the uncertainty map with
the true error, over blocks of 8x8 pixels.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app.files import read_picture
from dip_jax.app.machine import choose_device
from dip_jax.damage import add_noise, add_poisson_noise
from dip_jax.metrics import psnr_8_bit
from experiments.pictures import crop_centre
from experiments.program import Table, parse_integers, publish, run_program
from experiments.quality.denoisers import CLASSICAL, check_method, denoise
from experiments.quality.grid import Row
from experiments.quality.rules import tabulate_stopping
from experiments.quality.tables import (
    define_grid,
    describe_size,
    fill_grid,
    find_data,
    format_scores,
    list_pictures,
    round_to_8_bits,
    shorten,
    stamp,
)

NAME = "denoising_table"
# By file name in set9: the authors' name of the noisy file, and, for sigma 25 and 50, the
# published PSNR of the authors' output and of CBM3D on the whole picture.
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
    """Defines the program's flags."""
    methods = ("fast", "nlm", "tv", "bm3d")
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=CLASSICAL, size=256)
    flags.DEFINE_list("sigmas", ["25"], "Noise levels in 8-bit levels.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sigmas = parse_integers("--sigmas", values.sigmas)
    for method in values.methods:
        check_method(method)
    data = find_data(values, "set9")
    device = choose_device(values.backend)
    groups = [(name, values.size, sigma) for sigma in sigmas for name in values.pictures]
    rows = fill_grid(values, NAME, KEY, groups, CLASSICAL, functools.partial(_compute_row, data))
    tables = [
        tabulate_quality(rows, values.methods, sigmas, values.size),
        tabulate_stopping(rows, KEY, "sigma"),
        tabulate_uncertainty(rows, values.methods, sigmas),
    ]
    publish([t for t in tables if t.rows], f"experiments.quality.{NAME}", argv, device, values.out)


def load_pair(
    data: Path, name: str, size: int, level: int, kind: str = "gaussian"
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the centres of the noisy and the clean picture, float32 in [0, 1].

    Args:
      data: the folder of the pictures.
      name: the picture's name.
      size: the side of the centre crop; 0 for the whole picture.
      level: the noise in 8-bit levels: sigma, or the gain of Poisson noise.
      kind: "gaussian" or "poisson".

    Raises:
      UserError: if the picture is smaller than ``size``.
    """
    clean = read_picture(str(data / "set9" / f"{name}.png")).image
    if kind == "poisson":
        noisy = round_to_8_bits(add_poisson_noise(clean, level, seed=0))
    elif name in PICTURES and level in PICTURES[name][1]:
        path = data / "set9_noisy" / f"sigma{level}" / f"{PICTURES[name][0]}_noisy.png"
        noisy = read_picture(str(path), flag="--data").image
    else:
        noisy = round_to_8_bits(add_noise(clean, level, seed=0))
    return crop_centre(noisy, size, name), crop_centre(clean, size, name)


def _compute_row(
    data: Path, name: str, size: int, sigma: int, method: str, seed: int
) -> dict[str, Any]:
    noisy, clean = load_pair(data, name, size, sigma)
    image, record = denoise(method, noisy, sigma, seed, clean)
    return {"psnr": f"{psnr_8_bit(image, clean):.3f}", **record, **stamp()}


def tabulate_quality(
    rows: Sequence[Row], methods: Sequence[str], sigmas: Sequence[int], size: int
) -> Table:
    """Tabulates the PSNR of each picture and method, by noise level."""
    lines = []
    for sigma in sigmas:
        own = [row for row in rows if row["sigma"] == str(sigma)]
        known = {name: scores[sigma] for name, (_, scores) in PICTURES.items() if sigma in scores}
        published = {
            label: {name: scores[index] for name, scores in known.items()}
            for index, label in enumerate(PUBLISHED)
        }
        for line in format_scores(own, methods, "psnr", {} if size else published):
            lines.append([sigma, *line])
    names = [shorten(name) for name in list_pictures(rows)]
    columns = ["sigma", "method", *names, "mean", "seconds a picture"]
    return Table("PSNR, dB", columns, lines, describe_size(size))


def tabulate_uncertainty(
    rows: Sequence[Row], methods: Sequence[str], sigmas: Sequence[int]
) -> Table:
    """Tabulates the rank correlation of the members' spread with the true error."""
    rows = [row for row in rows if row.get("rank_correlation")]
    lines = []
    for sigma in sigmas:
        own = [row for row in rows if row["sigma"] == str(sigma)]
        known = [method for method in methods if any(row["method"] == method for row in own)]
        for *line, _ in format_scores(own, known, "rank_correlation", {}):
            lines.append([sigma, *line])
    columns = ["sigma", "method", *(shorten(name) for name in list_pictures(rows)), "mean"]
    return Table("Uncertainty and true error, rank correlation", columns, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
