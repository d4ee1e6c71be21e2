"""Super-resolution by four: our presets against bicubic interpolation.

  DIP_JAX_DATA=... python -m experiments.quality.super_resolution_table --methods=fast,bicubic

The protocol is the paper's. The truth is the centre of the picture, cropped to multiples of 32.
The small picture comes from it by Pillow's Lanczos filter. PSNR is of the luma (16 to 235),
without four pixels at each border. A grey picture becomes three equal channels. ``--size`` crops
a smaller centre, in large pixels; 0 takes the whole picture.

Each method has two scores: as fitted, and corrected to reproduce the small picture when it is
downsampled again. Bicubic interpolation is corrected too. The last table says how far a method is
ahead of the better of bicubic's two.

``--set=scikit-image`` takes twelve pictures of that package, which needs no data:

  python -m experiments.quality.super_resolution_table --set=scikit-image --size=128

The published means are of the authors' files. Their bicubic row is lower than ours because it
started from a small picture made by a bicubic filter.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from dip_jax import metrics
from dip_jax.app import UserError
from dip_jax.app.files import read_picture
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe import find_preset
from dip_jax.app.recipe.degrade import enlarge, shrink
from dip_jax.projection import project_onto_small_picture
from experiments.pictures import crop_centre, load_picture
from experiments.program import Table, publish, run_program
from experiments.quality.grid import Row
from experiments.quality.tables import (
    average,
    define_grid,
    describe_size,
    fill_grid,
    find_data,
    find_method,
    format_scores,
    list_pictures,
    run_method,
    stamp,
)

NAME = "super_resolution_table"
FACTOR = 4
STRIDE = 32
# Published luma PSNR of the authors' output, x4.
PUBLISHED = {
    "Set5": {"baby": 31.49, "bird": 31.80, "butterfly": 26.23, "head": 31.04, "woman": 28.93},
    "Set14": {
        "baboon": 22.29,
        "barbara": 25.53,
        "bridge": 24.38,
        "coastguard": 25.81,
        "comic": 22.18,
        "face": 31.02,
        "flowers": 26.14,
        "foreman": 31.66,
        "lenna": 30.83,
        "man": 26.09,
        "monarch": 29.98,
        "pepper": 32.08,
        "ppt3": 24.38,
        "zebra": 25.71,
    },
}
PACKAGE = "scikit-image"
SETS = {name: tuple(figures) for name, figures in PUBLISHED.items()} | {
    PACKAGE: (
        "astronaut",
        "brick",
        "camera",
        "chelsea",
        "coffee",
        "coins",
        "grass",
        "gravel",
        "hubble_deep_field",
        "immunohistochemistry",
        "retina",
        "rocket",
    )
}
CLASSICAL = ("bicubic",)
KEY = ("set", "picture", "size", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    methods = ("fast", *CLASSICAL)
    define_grid(values, NAME, pictures=(), methods=methods, others=CLASSICAL, size=0)
    flags.DEFINE_enum("set", "Set5", list(SETS), "The set of pictures.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for method in values.methods:
        if method not in CLASSICAL:
            find_method(method, "super_resolve")
    if values.size % STRIDE:
        raise UserError("--size", values.size, f"must be a multiple of {STRIDE}, or 0")
    values.pictures = values.pictures or list(SETS[values.set])
    if values.set == PACKAGE:
        for name in values.pictures:
            if name not in SETS[PACKAGE]:
                problem = "is unknown; there are " + ", ".join(SETS[PACKAGE])
                raise UserError("--pictures", name, problem)
        load = functools.partial(load_picture, size=0)
    else:
        folder = find_data(values, values.set) / values.set
        load = functools.partial(_read_picture, folder)
    device = choose_device(values.backend)
    groups = [(values.set, name, values.size) for name in values.pictures]
    rows = fill_grid(values, NAME, KEY, groups, CLASSICAL, functools.partial(_compute_row, load))
    known = not values.size and values.set in PUBLISHED
    published = {"authors'": PUBLISHED[values.set]} if known else {}
    tables = []
    for column, title in (
        ("psnr_luma_raw", "PSNR of the luma, as fitted, dB"),
        ("psnr_luma", "PSNR of the luma, made to agree with the small picture, dB"),
    ):
        lines = format_scores(rows, values.methods, column, published)
        columns = ["method", *list_pictures(rows), "mean", "seconds a picture"]
        heading = f"{values.set} x{FACTOR}, {title}"
        tables.append(Table(heading, columns, lines, describe_size(values.size)))
    if "bicubic" in values.methods:
        tables.append(_compare_with_bicubic(rows, values.methods))
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def _compare_with_bicubic(rows: Sequence[Row], methods: Sequence[str]) -> Table:
    """Returns how far each method, made to agree, is ahead of the better of bicubic's scores."""

    def score(method: str, picture: str, column: str = "psnr_luma") -> float:
        own = [row for row in rows if (row["method"], row["picture"]) == (method, picture)]
        return average(own, column)

    names = list_pictures(rows)
    best = {
        name: max(score("bicubic", name, column) for column in ("psnr_luma_raw", "psnr_luma"))
        for name in names
    }
    lines = []
    for method in methods:
        if method not in CLASSICAL:
            gains = [score(method, name) - best[name] for name in names]
            values = (*gains, float(np.mean(gains)), min(gains))
            lines.append([method, *(f"{value:.2f}" for value in values)])
    heading = "Ahead of bicubic interpolation, the better of as it is and made to agree, dB"
    return Table(heading, ["method", *names, "mean", "worst"], lines)


def make_pair(truth: np.ndarray, size: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the truth and the small picture made from it, float32 RGB in [0, 1]."""
    truth = np.repeat(truth, 3, axis=2) if truth.shape[2] == 1 else truth
    rows, columns = (length - length % STRIDE for length in truth.shape[:2])
    top, left = (truth.shape[0] - rows) // 2, (truth.shape[1] - columns) // 2
    truth = crop_centre(truth[top : top + rows, left : left + columns], size, name)
    # Files have 8 bits.
    small = np.round(255 * np.clip(shrink(truth, FACTOR), 0, 1)).astype(np.float32)
    return truth, small / np.float32(255)


def _read_picture(folder: Path, name: str) -> np.ndarray:
    return read_picture(str(folder / f"{name}.png")).image


def _compute_row(
    load: Callable[[str], np.ndarray], folder: str, name: str, size: int, method: str, seed: int
) -> dict[str, Any]:
    del folder
    truth, small = make_pair(load(name), size, name)
    if method in CLASSICAL:
        start = time.perf_counter()
        raw = enlarge(small, FACTOR)
        record = {"seconds": f"{time.perf_counter() - start:.1f}"}
        task = find_preset("fast", "super_resolve").task
        image = project_onto_small_picture(raw, small, FACTOR, task.lanczos_lobes)
    else:
        preset = find_method(method, "super_resolve")
        result, record = run_method(preset, small, seed, truth, factor=FACTOR)
        image, raw = result.image, result.raw
    scores = {"psnr_luma": _score_luma(image, truth), "psnr_luma_raw": _score_luma(raw, truth)}
    return {name: f"{score:.3f}" for name, score in scores.items()} | record | stamp()


def _score_luma(image: np.ndarray, truth: np.ndarray) -> float:
    written = jnp.round(255 * jnp.clip(jnp.asarray(image), 0, 1)) / 255
    return float(metrics.psnr_luma(written, jnp.asarray(truth)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
