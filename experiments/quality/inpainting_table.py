"""Inpainting: our presets against classical interpolation.

  DIP_JAX_DATA=... python -m experiments.quality.inpainting_table --methods=fast,biharmonic

The pictures are the eleven grey pictures of the paper's table, with half of the pixels missing,
in the authors' masked files. A pixel that differs from the truth there is missing. (A black
pixel never differs, so it counts as known.) With ``--missing=70,90``, so many percent are missing,
drawn by ``numpy.random.default_rng(0)``.

PSNR covers all pixels of the 8-bit result, in two tables: the network's own output, and the
result with the known pixels put back (for our presets as `restore` does it, which also fits the
holes to them). ``--size`` crops the centre; 0 takes the whole picture.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import read_picture
from dip_jax.app.machine import choose_device
from dip_jax.metrics import psnr_8_bit
from experiments.pictures import crop_centre
from experiments.program import Table, parse_integers, publish, run_program
from experiments.quality.grid import Row
from experiments.quality.tables import (
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

NAME = "inpainting_table"
# PSNR on whole pictures: of the network's own output (the paper's table 1), and of the authors'
# published pictures with the known pixels put back.
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
_HALF = 50  # percent: of the authors' masked files


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    methods = ("fast", *CLASSICAL)
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=CLASSICAL, size=256)
    flags.DEFINE_list("missing", [str(_HALF)], "Percents of missing pixels.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for method in values.methods:
        if method not in CLASSICAL:
            find_method(method, "inpaint")
    data = find_data(values, "gray11")
    device = choose_device(values.backend)
    shares = parse_integers("--missing", values.missing)
    if max(shares) > 99:
        raise UserError("--missing", max(shares), "must be at most 99 percent")
    groups = [(label(name, share), values.size) for share in shares for name in values.pictures]
    rows = fill_grid(values, NAME, KEY, groups, CLASSICAL, functools.partial(_compute_row, data))
    tables = tabulate_quality(rows, values.methods, values.size)
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def label(name: str, missing: int) -> str:
    """Names a picture with so many percent of its pixels missing; half is not said."""
    return name if missing == _HALF else f"{name} {missing} %"


def load_picture_and_mask(data: Path, name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the centres of the true picture ``[h, w, 1]`` and its mask, 1 where known.

    ``name`` is that of :func:`label`.

    Raises:
      UserError: if the masked file is missing, or the picture is smaller than ``size``.
    """
    name, _, share = name.removesuffix(" %").partition(" ")
    truth = read_picture(str(data / "gray11" / f"{name}.png")).image
    if share:
        truth = crop_centre(truth, size, name)
        drawn = np.random.default_rng(0).random(truth.shape)
        return truth, (100 * drawn >= int(share)).astype(np.float32)
    path = data / "gray11_masked50" / f"{name}_masked.png"
    masked = read_picture(str(path), flag="--data").image
    if masked.shape != truth.shape:
        raise UserError("--data", path, f"has the shape {masked.shape}, the truth {truth.shape}")
    known = (masked == truth).astype(np.float32)
    return crop_centre(truth, size, name), crop_centre(known, size, name)


def _compute_row(data: Path, name: str, size: int, method: str, seed: int) -> dict[str, Any]:
    truth, known = load_picture_and_mask(data, name, size)
    if method in CLASSICAL:
        start = time.perf_counter()
        raw = interpolate(method, truth * known, known)
        image, record = raw, {"seconds": f"{time.perf_counter() - start:.1f}"}
    else:
        result, record = run_method(
            find_method(method, "inpaint"), truth * known, seed, truth, mask=known
        )
        image, raw = result.image, result.raw
    scores = {"psnr": psnr_8_bit(image, truth), "psnr_raw": psnr_8_bit(raw, truth)}
    return {name: f"{score:.3f}" for name, score in scores.items()} | record | stamp()


def interpolate(method: str, picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills the holes of ``picture [h, w, 1]`` by a classical method; known pixels stay."""
    missing = known[:, :, 0] == 0
    if method == "biharmonic":
        from skimage.restoration import inpaint_biharmonic

        filled = inpaint_biharmonic(picture, missing, split_into_regions=True, channel_axis=2)
        return np.clip(filled, 0, 1).astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return picture[rows, columns]


def tabulate_quality(rows: Sequence[Row], methods: Sequence[str], size: int) -> list[Table]:
    """Tabulates the PSNR of the output, and with the known pixels put back."""
    tables = []
    for index, (column, title) in enumerate(
        (("psnr_raw", "PSNR of the output, dB"), ("psnr", "PSNR, known pixels put back, dB"))
    ):
        published = {"authors'": {name: scores[index] for name, scores in PICTURES.items()}}
        lines = format_scores(rows, methods, column, {} if size else published)
        columns = ["method", *list_pictures(rows), "mean", "seconds a picture"]
        tables.append(Table(title, columns, lines, describe_size(size)))
    return tables


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
