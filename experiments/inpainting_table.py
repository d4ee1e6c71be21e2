"""Filling in missing pixels: our presets beside classical interpolation.

  DIP_JAX_DATA=... python -m experiments.inpainting_table --methods=fast,biharmonic

The eleven grey pictures of the paper's table, half of their pixels missing, in the authors'
own masked files; what differs from the truth there is missing (where the truth is black, that
cannot be told, and the pixel counts as known). PSNR is over all pixels of the 8-bit result:
with the known pixels put back (ours as `restore` does it, which has the holes join them too),
and of the network's own output. ``--size`` cuts the centre, 0 takes the whole.

Rows are kept in --out as they are done; the same command goes on where it was.
"""

import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app.device import choose_device
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import read_picture
from dip_jax.app.results import psnr_8_bit
from experiments.grid import Row
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

NAME = "inpainting_table"
# The PSNR of the paper's table 1 (whole pictures, the network's own output), and of the
# authors' published pictures with the known pixels put back.
PICTURES = {
    "barbara": (32.22, 32.53),
    "boat": (33.06, 33.41),
    "house": (39.16, 39.29),
    "Lena512": (36.16, 36.69),
    "peppers256": (33.05, 33.19),
    "Cameraman256": (29.80, 29.85),
    "couple": (32.52, 32.81),
    "fingerprint": (32.84, 33.05),
    "hill": (32.77, 33.05),
    "man": (32.20, 32.40),
    "montage": (34.54, 34.62),
}
CLASSICAL = ("nearest", "biharmonic")
KEY = ("picture", "size", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    methods = ("fast", *CLASSICAL)
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=CLASSICAL, size=256)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for method in values.methods:
        if method not in CLASSICAL:
            find_method(method, "inpaint")
    data = data_folder(values, "gray11")
    device = choose_device(values.backend)
    groups = [(name, values.size) for name in values.pictures]
    rows = filled(values, NAME, KEY, groups, CLASSICAL, functools.partial(_row, data))
    publish(quality(rows, values.methods, values.size), f"experiments.{NAME}", argv, device,
            values.out)  # fmt: skip


def picture_and_mask(data: Path, name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The true picture ``[h, w, 1]`` and its mask, 1 where known; the centre of each.

    Raises:
      UserError: if the masked file is missing, or the picture is smaller than ``size``.
    """
    truth = read_picture(str(data / "gray11" / f"{name}.png")).image
    path = data / "gray11_masked50" / f"{name}_masked.png"
    masked = read_picture(str(path), flag="--data").image
    if masked.shape != truth.shape:
        raise UserError("--data", path, f"has the shape {masked.shape}, the truth {truth.shape}")
    known = (masked == truth).astype(np.float32)
    return centre(truth, size, name), centre(known, size, name)


def _row(data: Path, name: str, size: int, method: str, seed: int) -> dict[str, Any]:
    truth, known = picture_and_mask(data, name, size)
    if method in CLASSICAL:
        start = time.perf_counter()
        raw = interpolate(method, truth * known, known)
        image, record = raw, {"seconds": f"{time.perf_counter() - start:.1f}"}
    else:
        result, record = restored(
            find_method(method, "inpaint"), truth * known, seed, truth, mask=known
        )
        image, raw = result.image, result.raw
    scores = {"psnr": psnr_8_bit(image, truth), "psnr_raw": psnr_8_bit(raw, truth)}
    return {name: f"{score:.3f}" for name, score in scores.items()} | record | stamp()


def interpolate(method: str, picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A classical answer for ``picture [h, w, 1]``; known pixels stay."""
    missing = known[:, :, 0] == 0
    if method == "biharmonic":
        from skimage.restoration import inpaint_biharmonic

        filled = inpaint_biharmonic(picture, missing, split_into_regions=True, channel_axis=2)
        return np.clip(filled, 0, 1).astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return picture[rows, columns]


def quality(rows: Sequence[Row], methods: Sequence[str], size: int) -> list[Table]:
    """Two tables: with the known pixels put back, and without."""
    tables = []
    for index, (column, title) in enumerate(
        (("psnr_raw", "PSNR of the output, dB"), ("psnr", "PSNR, known pixels put back, dB"))
    ):
        published = {"authors'": {name: scores[index] for name, scores in PICTURES.items()}}
        lines = score_lines(rows, methods, column, {} if size else published)
        columns = ["method", *pictures_of(rows), "mean", "seconds a picture"]
        tables.append(Table(title, columns, lines, size_note(size)))
    return tables


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
