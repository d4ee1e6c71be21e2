"""A run's folder: the restored picture, the comparison, the trace, the settings."""

import contextlib
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from dip_jax.app.errors import UserError
from dip_jax.app.pictures import to_uint8, write_picture
from dip_jax.app.sheet import comparison

FILES = ("restored.png", "comparison.png", "trace.csv", "run.json")


def psnr_8_bit(image: np.ndarray, reference: np.ndarray, border: int = 0) -> float:
    """PSNR in dB of the pictures as 8-bit files, over all channels, a border left out."""
    inner = slice(border, -border or None)
    a, b = to_uint8(image)[inner, inner], to_uint8(reference)[inner, inner]
    if np.array_equal(a, b):
        return float("inf")
    return float(peak_signal_noise_ratio(b, a, data_range=255))


def choose_folder(wanted: str | None, default: str, *, overwrite: bool) -> Path:
    """The folder to write to; checked now, so that a long run does not end in vain.

    Without ``wanted`` it is ``dip-jax-results/<default>``, numbered if that exists.

    Raises:
      UserError: if ``wanted`` holds something and ``overwrite`` is not set, if it is a file,
        or can't be written.
    """
    if wanted is None:
        base = Path("dip-jax-results") / default
        names = [base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 10_000))]
        folder = next(name for name in names if not name.exists())
    else:
        folder = Path(wanted)
        if folder.exists() and not folder.is_dir():
            raise UserError("--out", wanted, "is a file; name a folder")
        if folder.is_dir() and any(folder.iterdir()) and not overwrite:
            raise UserError("--out", wanted, "holds files; name another folder or pass --overwrite")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not os.access(folder if folder.is_dir() else above, os.W_OK) or not above.is_dir():
        raise UserError("--out", folder, f"can't be written in {above}; name another folder")
    return folder


def write_results(
    folder: Path,
    *,
    restored: np.ndarray,
    alpha: np.ndarray | None,
    panels: list[tuple[str, np.ndarray]],
    trace: dict[str, np.ndarray],
    record: dict[str, Any],
) -> list[Path]:
    """Writes the folder's files, all of them or none.

    Args:
      folder: made if it does not exist; of its files only those of this run are replaced.
      restored: float ``[h, w, 1 | 3]``.
      alpha: uint8 ``[h, w]`` or None.
      panels: label and picture of each panel of the comparison.
      trace: one value a step and name.
      record: what ``run.json`` holds.

    Returns:
      The paths written.

    Raises:
      UserError: if the disk or the folder refuses.
    """
    try:
        with _staged(folder) as stage:
            write_picture(stage / "restored.png", restored, alpha)
            write_picture(stage / "comparison.png", comparison(panels) / 255)
            _write_trace(stage / "trace.csv", trace)
            text = json.dumps(record, indent=2, allow_nan=False) + "\n"
            (stage / "run.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError("--out", folder, f"can't be written ({error.strerror})") from error
    return [folder / name for name in FILES]


@contextlib.contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` whose files are moved there at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield stage
        folder.mkdir(exist_ok=True)
        for name in FILES:
            os.replace(stage / name, folder / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _write_trace(path: Path, trace: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *trace])
        for step, values in enumerate(zip(*trace.values(), strict=True)):
            writer.writerow([step, *(f"{value:.7g}" for value in values)])
