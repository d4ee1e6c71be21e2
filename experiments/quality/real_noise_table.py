"""Photographs with real noise: our presets, with the noise found in the picture.

  DIP_JAX_DATA=... python -m experiments.quality.real_noise_table --sets=cc,sidd --methods=fast

A set is a folder ``real/SET`` of DIP_JAX_DATA with ``noisy/`` and ``clean/`` pictures of equal
names; the clean ones are means of many shots. ``noisy`` is the input as it is. ``nlm`` is
scikit-image's non-local means with its own estimate of the level. ``bm3d`` gets the power spectrum
of the noise that we measure. A preset finds the noise (``--noise=auto``) unless its kind is added,
as in ``fast+camera``. No method gets the level; the clean picture serves the scores only. Larger
pictures are cropped to the centre ``--size``.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import read_picture
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe import AUTO_NOISE, given_noise
from dip_jax.colors import OPPONENT
from dip_jax.metrics import psnr_8_bit
from dip_jax.noise import identify_noise
from experiments.pictures import crop_centre
from experiments.program import Table, publish, require, run_program
from experiments.quality.grid import Row
from experiments.quality.tables import (
    Method,
    average,
    define_grid,
    describe_size,
    fill_grid,
    find_method,
    run_method,
    stamp,
)

NAME = "real_noise_table"
FOLDER = "real"
SETS = ("cc", "sidd", "polyu", "fmd")
KEY = ("set", "picture", "size", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    methods = ("noisy", "nlm", "fast")
    define_grid(values, NAME, pictures=(), methods=methods, others=CLASSICAL, size=256)
    text = {"flag_values": values}
    flags.DEFINE_list("sets", list(SETS), f"Folders in {FOLDER}/ of --data.", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    if not values.data:
        raise UserError("--data", None, "is required: the folder of the standard pictures")
    for method in values.methods:
        if method not in CLASSICAL:
            _split_method(method)
    if "bm3d" in values.methods:
        require("bm3d", "tables", "--methods", "bm3d")
    data = Path(values.data) / FOLDER
    groups = [
        (name, picture, values.size)
        for name in values.sets
        for picture in find_pairs(data, name, values.pictures)
    ]
    device = choose_device(values.backend)
    row = functools.partial(_compute_row, data)
    rows = fill_grid(values, NAME, KEY, groups, CLASSICAL, row)
    tables = [_make_table(rows, name, values.methods, values.size) for name in values.sets]
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def find_pairs(data: Path, name: str, pictures: list[str]) -> list[str]:
    """Lists the names of a set's pictures; those of ``pictures`` alone unless it is empty.

    Raises:
      UserError: if the set has none of them.
    """
    found = sorted(path.stem for path in (data / name / "noisy").glob("*"))
    found = [stem for stem in found if not pictures or stem in pictures]
    if not found:
        raise UserError("--sets", name, f"holds none of these pictures in {data / name / 'noisy'}")
    return found


def load_pair(data: Path, name: str, picture: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the clean and the noisy picture, or their centres if they are larger."""
    pair = []
    for kind in ("clean", "noisy"):
        (path,) = (data / name / kind).glob(f"{picture}.*")
        whole = read_picture(str(path)).image
        pair.append(crop_centre(whole, size if size < min(whole.shape[:2]) else 0, picture))
    return pair[0], pair[1]


def _compute_row(
    data: Path, name: str, picture: str, size: int, method: str, seed: int
) -> dict[str, Any]:
    clean, noisy = load_pair(data, name, picture, size)
    verdict = identify_noise(noisy)
    record: dict[str, Any] = {"verdict": verdict.kind, "level": f"{verdict.noise.level:.1f}"}
    start = time.perf_counter()
    if method in CLASSICAL:
        image = CLASSICAL[method](noisy)
    else:
        preset, kind = _split_method(method)
        result, chosen = run_method(preset, noisy, seed, clean, noise=kind)
        image = result.image
        record |= chosen
        if result.verdict is not None:
            record["verdict"] = result.verdict.kind
            record["level"] = f"{result.verdict.noise.level:.1f}"
    record.setdefault("seconds", f"{time.perf_counter() - start:.1f}")
    return {"psnr": f"{psnr_8_bit(image, clean):.3f}", **record, **stamp()}


def _split_method(method: str) -> tuple[Method, str]:
    """Returns the method, and the kind of noise that it is told.

    Raises:
      UserError: if there is no such method or kind.
    """
    name, plus, kind = method.partition("+")
    found = find_method(name, "denoise")
    kind = kind if plus else AUTO_NOISE
    try:
        given_noise(kind, found.preset.task, None, None)
    except UserError as error:
        raise UserError("--methods noise", kind, error.problem_and_mend) from error
    return found, kind


def _filter_non_locally(noisy: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_nl_means, estimate_sigma

    sigma = float(np.mean(estimate_sigma(noisy, channel_axis=2)))
    options = {"h": 0.8 * sigma, "sigma": sigma, "fast_mode": True}
    if noisy.shape[2] == 1:  # which scikit-image squeezes
        return denoise_nl_means(noisy[:, :, 0], **options)[:, :, None]
    return denoise_nl_means(noisy, channel_axis=2, **options)


def _match_blocks(noisy: np.ndarray) -> np.ndarray:
    """BM3D of luma and two chromas, with the power spectrum of the noise as we measure it."""
    vars(np).setdefault("trapz", np.trapezoid)  # bm3d 4.0 uses the name that NumPy has dropped
    from bm3d import bm3d

    noise = identify_noise(noisy).noise
    height, width, channels = noisy.shape
    mix = OPPONENT if channels == 3 else np.eye(1)
    deviation = np.sqrt(np.mean(np.asarray(noise.standard_deviation(noisy)) ** 2, axis=(0, 1)))
    if noise.kernel is None:
        transfer = np.broadcast_to(np.eye(channels), (height, width, channels, channels))
    else:
        transfer = np.fft.fft2(noise.kernel, s=(height, width), axes=(0, 1))
    mixed = np.einsum("ci,hwij->hwcj", mix * deviation, transfer)
    power = (np.abs(mixed) ** 2).sum(axis=3) * height * width
    parts = noisy @ mix.T
    smooth = [bm3d(parts[:, :, c], power[:, :, c]) for c in range(channels)]
    return np.stack(smooth, axis=2).reshape(noisy.shape) @ mix


def _make_table(rows: list[Row], name: str, methods: list[str], size: int) -> Table:
    own = [row for row in rows if row["set"] == name]
    scores = []
    for picture in dict.fromkeys(row["picture"] for row in own):
        line = [row for row in own if row["picture"] == picture]
        cells = [f"{average([r for r in line if r['method'] == m], 'psnr'):.2f}" for m in methods]
        lost = [
            float(row["oracle_psnr"]) - float(row["chosen_psnr"])
            for row in line
            if row.get("oracle_psnr")
        ]
        stopped = f"{np.mean(lost):.2f}" if lost else "-"
        scores.append([picture, line[0]["verdict"], line[0]["level"], *cells, stopped])
    means = [f"{average([r for r in own if r['method'] == m], 'psnr'):.2f}" for m in methods]
    scores.append(["mean", "", "", *means, ""])
    columns = ["picture", "noise found", "level", *methods, "lost by stopping"]
    return Table(f"{name}, PSNR, dB", columns, scores, describe_size(size))


CLASSICAL = {"noisy": lambda noisy: noisy, "nlm": _filter_non_locally, "bm3d": _match_blocks}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
