"""Enlarging four times: our presets beside bicubic interpolation.

  DIP_JAX_DATA=... python -m experiments.super_resolution_table --set=Set5 --methods=fast,bicubic

The paper's protocol: the centre of the picture, cut to multiples of 32, is the truth; the small
picture is made of it with Pillow's Lanczos filter; PSNR is of the luma (16 to 235) without four
pixels at each border. A grey picture is taken as one of three equal channels. ``--size`` cuts a
smaller centre (in large pixels), 0 takes the whole.

Each method twice: as it is, and made to give the small picture when made small again, bicubic
interpolation too.

The published means are of the authors' own files; their bicubic row started from another small
picture (bicubic too) and is lower for that.

Rows are kept in --out as they are done; the same command goes on where it was.
"""

import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from dip_jax import metrics
from dip_jax.app.correction import agreeing
from dip_jax.app.degrade import enlarge, shrink
from dip_jax.app.device import choose_device
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import read_picture
from dip_jax.app.presets import find_preset
from experiments.program import Table, publish, run_program
from experiments.tables import (
    centre,
    data_folder,
    define_grid,
    filled,
    find_method,
    pictures_of,
    restored,
    score_lines,
    size_note,
    stamp,
)

NAME = "super_resolution_table"
FACTOR = 4
STRIDE = 32
# Published PSNR of the luma of the authors' output, x4.
SETS = {
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
CLASSICAL = ("bicubic",)
KEY = ("set", "picture", "size", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
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
    data = data_folder(values, values.set)
    device = choose_device(values.backend)
    groups = [(values.set, name, values.size) for name in values.pictures]
    rows = filled(values, NAME, KEY, groups, CLASSICAL, functools.partial(_row, data))
    published = {} if values.size else {"authors'": SETS[values.set]}
    tables = []
    for column, title in (
        ("psnr_luma_raw", "PSNR of the luma, as fitted, dB"),
        ("psnr_luma", "PSNR of the luma, made to agree with the small picture, dB"),
    ):
        lines = score_lines(rows, values.methods, column, published)
        columns = ["method", *pictures_of(rows), "mean", "seconds a picture"]
        heading = f"{values.set} x{FACTOR}, {title}"
        tables.append(Table(heading, columns, lines, size_note(values.size)))
    publish(tables, f"experiments.{NAME}", argv, device, values.out)


def large_and_small(data: Path, folder: str, name: str, size: int) -> Sequence[np.ndarray]:
    """The truth and the small picture made of it, float32 RGB in [0, 1]."""
    truth = read_picture(str(data / folder / f"{name}.png")).image
    truth = np.repeat(truth, 3, axis=2) if truth.shape[2] == 1 else truth
    rows, columns = (length - length % STRIDE for length in truth.shape[:2])
    top, left = (truth.shape[0] - rows) // 2, (truth.shape[1] - columns) // 2
    truth = centre(truth[top : top + rows, left : left + columns], size, name)
    # A file has 8 bits.
    small = np.round(255 * np.clip(shrink(truth, FACTOR), 0, 1)).astype(np.float32)
    return truth, small / np.float32(255)


def _row(data: Path, folder: str, name: str, size: int, method: str, seed: int) -> dict[str, Any]:
    truth, small = large_and_small(data, folder, name, size)
    if method in CLASSICAL:
        start = time.perf_counter()
        raw = enlarge(small, FACTOR)
        record = {"seconds": f"{time.perf_counter() - start:.1f}"}
        image = agreeing(raw, small, find_preset("fast", "super_resolve"))
    else:
        preset = find_method(method, "super_resolve")
        result, record = restored(preset, small, seed, truth, factor=FACTOR)
        image, raw = result.image, result.raw
    scores = {"psnr_luma": _luma(image, truth), "psnr_luma_raw": _luma(raw, truth)}
    return {name: f"{score:.3f}" for name, score in scores.items()} | record | stamp()


def _luma(image: np.ndarray, truth: np.ndarray) -> float:
    written = jnp.round(255 * jnp.clip(jnp.asarray(image), 0, 1)) / 255
    return float(metrics.psnr_luma(written, jnp.asarray(truth)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
