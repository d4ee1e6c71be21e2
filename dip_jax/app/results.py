"""A run's folder: the restored picture, the comparison, the trace, the settings."""

import contextlib
import csv
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.app.errors import UserError
from dip_jax.app.pictures import to_uint8, write_picture, write_pixels
from dip_jax.app.restoration import steps_of
from dip_jax.app.sheet import comparison

FULL_DEPTH = "restored.npy"
UNCERTAINTY = ("uncertainty.npy", "uncertainty.png")
PARTIAL = ".partial-"
RECORD = "run.json"
# In the order in which they appear: where there is a record, the rest is complete.
FILES = ("restored.png", "comparison.png", "trace.csv", RECORD)


def psnr_8_bit(image: np.ndarray, reference: np.ndarray) -> float:
    """PSNR in dB of the pictures as 8-bit files, over all pixels and channels."""
    from skimage.metrics import peak_signal_noise_ratio  # a second to import

    a, b = to_uint8(image), to_uint8(reference)
    if np.array_equal(a, b):
        return float("inf")
    return float(peak_signal_noise_ratio(b, a, data_range=255))


def rank_correlation(uncertainty: np.ndarray, image: np.ndarray, reference: np.ndarray) -> float:
    """Spearman's, of the uncertainty with the true error, both as means over 8x8 pixels.

    Of single pixels the true error is one draw, and says little about its size. 0 where
    either is constant.
    """
    from scipy.stats import rankdata  # most of a second to import

    error = np.mean((image - reference) ** 2, axis=2)
    blocks = [_blocks(error), _blocks(uncertainty**2)]
    if any(block.min() == block.max() for block in blocks):
        return 0.0
    return float(np.corrcoef([rankdata(block) for block in blocks])[0, 1])


def _blocks(square: np.ndarray, size: int = 8) -> np.ndarray:
    rows, columns = (max(1, length // size) for length in square.shape)
    high, wide = square.shape[0] // rows, square.shape[1] // columns
    cut = square[: rows * high, : columns * wide]
    return cut.reshape(rows, high, columns, wide).mean(axis=(1, 3)).ravel()


@contextlib.contextmanager
def claimed_folder(
    wanted: str | None, default: str, *, overwrite: bool, resume: bool
) -> Iterator[Path]:
    """The folder to write to, made and checked now, lest a long run end in vain.

    Without ``wanted`` it is ``dip-jax-results/<default>``, numbered if that exists. Folders
    made here go again if nothing is written to them.

    Raises:
      UserError: if ``wanted`` holds something and neither ``overwrite`` nor ``resume`` is set,
        if it is a file, or can't be written; for ``resume`` without ``wanted``.
    """
    if resume and wanted is None:
        raise UserError("--resume", True, "needs the --out of the run to go on with")
    shown = wanted or "dip-jax-results"
    try:
        folder, made = _wanted(Path(wanted)) if wanted else _numbered(default)
        if not (overwrite or resume) and any(folder.iterdir()):
            mend = "name another folder, or pass --resume or --overwrite"
            raise UserError("--out", shown, f"holds files; {mend}")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise UserError("--out", shown, "is a file; name a folder") from error
    except OSError as error:
        raise UserError("--out", shown, f"can't be written ({_words(error)})") from error
    try:
        yield folder
    finally:
        for path in made:  # innermost first; one that holds something stays
            with contextlib.suppress(OSError):
                path.rmdir()


def _wanted(folder: Path) -> tuple[Path, list[Path]]:
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return folder, made


def _numbered(default: str) -> tuple[Path, list[Path]]:
    """A new folder under ``dip-jax-results``; two runs at once get two."""
    base = Path("dip-jax-results")
    made = [] if base.exists() else [base]
    base.mkdir(exist_ok=True)
    # A file system allows 255 bytes, of which a letter may take four.
    stem = default.encode()[-200:].decode(errors="ignore")
    for number in itertools.count(1):
        folder = base / (stem if number == 1 else f"{stem}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder, [folder, *made]
    raise AssertionError("unreachable")


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def write_results(
    folder: Path,
    *,
    restored: np.ndarray,
    full_depth: bool,
    alpha: np.ndarray | None,
    panels: list[tuple[str, np.ndarray]],
    uncertainty: np.ndarray | None,
    trace: dict[str, np.ndarray],
    record: dict[str, Any],
) -> list[Path]:
    """Writes the folder's files, all of them or none.

    Args:
      folder: from :func:`claimed_folder`; of its files only those that a run writes are
        replaced, or removed if this one has none.
      restored: float ``[h, w, 1 | 3]``.
      full_depth: whether to write it as ``restored.npy``, float32, too.
      alpha: uint8 ``[h, w]`` or None.
      panels: label and picture of each panel of the comparison.
      uncertainty: float ``[h, w]``, written as ``uncertainty.npy``, and as a grey picture
        whose white is the largest value; or None.
      trace: one value a step and name.
      record: what ``run.json`` holds.

    Returns:
      The paths written.

    Raises:
      UserError: if the disk or the folder refuses.
    """
    try:
        for left in folder.glob(f"{PARTIAL}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
            stage = Path(partial)
            write_picture(stage / "restored.png", restored, alpha)
            write_pixels(stage / "comparison.png", comparison(panels))
            _write_trace(stage / "trace.csv", trace)
            text = json.dumps(record, indent=2, allow_nan=False) + "\n"
            (stage / RECORD).write_text(text, encoding="utf-8")
            if full_depth:
                np.save(stage / FULL_DEPTH, restored.astype(np.float32))
            if uncertainty is not None:
                np.save(stage / UNCERTAINTY[0], uncertainty.astype(np.float32))
                shown = uncertainty[:, :, None] / max(float(uncertainty.max()), 1e-9)
                write_picture(stage / UNCERTAINTY[1], shown)
            names = [
                *([FULL_DEPTH] if full_depth else []),
                *(UNCERTAINTY if uncertainty is not None else []),
                *FILES,
            ]
            # A kill between two renames must leave no record of a whole.
            (folder / RECORD).unlink(missing_ok=True)
            for name in names:
                os.replace(stage / name, folder / name)
            for name in {FULL_DEPTH, *UNCERTAINTY} - {*names}:  # of an earlier run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError("--out", folder, f"can't be written ({_words(error)})") from error
    return [folder / name for name in names]


def _write_trace(path: Path, trace: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *trace])
        for step, values in zip(steps_of(trace), zip(*trace.values(), strict=True), strict=True):
            writer.writerow([step, *(f"{value:.7g}" for value in values)])
