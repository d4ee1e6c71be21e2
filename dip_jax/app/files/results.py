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
from dip_jax.app.files.formats import FORMATS, Layout
from dip_jax.app.files.pictures import ORIGIN, SHOWN, Origin, write_picture, write_pixels
from dip_jax.app.files.scale import Scale
from dip_jax.app.files.sheet import comparison
from dip_jax.app.files.trace import number_steps

# In formats that hold more than a PNG.
FULL_DEPTH = tuple(f"restored{one.suffixes[0]}" for one in FORMATS if one.any_channels)
UNCERTAINTY = ("uncertainty.npy", "uncertainty.png")
KERNEL = ("kernel.npy", "kernel.png")
PARTIAL = ".partial-"
RECORD = "run.json"
# In the order of writing: where there is a record, the rest is complete.
FILES = ("restored.png", "comparison.png", "trace.csv", RECORD)


@contextlib.contextmanager
def claim_folder(
    wanted: str | None, default: str, *, overwrite: bool, resume: bool
) -> Iterator[Path]:
    """Creates and checks the output folder up front, so that a long run cannot fail at the end.

    Without ``wanted`` it is ``dip-jax-results/<default>``, numbered if that exists. Folders
    created here are removed if nothing is written to them.

    Raises:
      UserError: if ``wanted`` holds something and neither ``overwrite`` nor ``resume`` is set,
        if it is a file, or can't be written; for ``resume`` without ``wanted``.
    """
    if resume and wanted is None:
        raise UserError("--resume", True, "needs the --out of the run to continue")
    shown = wanted or "dip-jax-results"
    try:
        folder, made = _make_folder(Path(wanted)) if wanted else _make_numbered(default)
        if not (overwrite or resume) and any(folder.iterdir()):
            mend = "name another folder, or pass --resume or --overwrite"
            raise UserError("--out", shown, f"holds files; {mend}")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise UserError("--out", shown, "is a file; name a folder") from error
    except OSError as error:
        raise UserError("--out", shown, f"can't be written ({_reason(error)})") from error
    try:
        yield folder
    finally:
        for path in made:  # innermost first; one that holds something stays
            with contextlib.suppress(OSError):
                path.rmdir()


def _make_folder(folder: Path) -> tuple[Path, list[Path]]:
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return folder, made


def _make_numbered(default: str) -> tuple[Path, list[Path]]:
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


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def write_results(
    folder: Path,
    *,
    restored: np.ndarray,
    alpha: np.ndarray | None,
    origin: Origin,
    strip: bool,
    panels: list[tuple[str, np.ndarray]],
    uncertainty: np.ndarray | None,
    kernel: np.ndarray | None,
    trace: dict[str, np.ndarray],
    record: dict[str, Any],
) -> list[Path]:
    """Writes the folder's files, all of them or none.

    Args:
      folder: from :func:`claim_folder`. Only files that a run writes are replaced, or removed if
        this run does not write them.
      restored: float ``[h, w, c]``.
      alpha: ``[h, w]`` or None.
      origin: what the picture's file was like. Where a PNG can't hold its depth, the result is
        written in its format too.
      strip: whether to leave out its metadata.
      panels: label and picture of each panel of the comparison.
      uncertainty: float ``[h, w]``, written as ``uncertainty.npy``, and as a grey picture
        in which white is the largest value; or None.
      kernel: ``[k, l]``, what was found of a blur, written as ``kernel.npy``, and as a grey picture
        in which white is the largest value; or None. An earlier run's stays: it may be the kernel
        that this one was given.
      trace: one value for each step and name.
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
            shown = origin if origin.dtype in (np.uint8, np.uint16) else _as_8_bit(origin)
            write_picture(stage / "restored.png", restored, alpha, shown, strip=strip)
            write_pixels(stage / "comparison.png", comparison(panels))
            _write_trace(stage / "trace.csv", trace)
            text = json.dumps(record, indent=2, allow_nan=False) + "\n"
            (stage / RECORD).write_text(text, encoding="utf-8")
            full_depth = _write_full_depth(stage, restored, alpha, origin, strip=strip)
            if uncertainty is not None:
                _write_map(stage, UNCERTAINTY, uncertainty)
            if kernel is not None:
                _write_map(stage, KERNEL, kernel)
            names = [
                *full_depth,
                *(UNCERTAINTY if uncertainty is not None else []),
                *(KERNEL if kernel is not None else []),
                *FILES,
            ]
            # A kill between two renames must not leave a record.
            (folder / RECORD).unlink(missing_ok=True)
            for name in names:
                os.replace(stage / name, folder / name)
            for name in {*FULL_DEPTH, *UNCERTAINTY} - {*names}:  # of an earlier run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError("--out", folder, f"can't be written ({_reason(error)})") from error
    return [folder / name for name in names]


def has_full_depth(origin: Origin, channels: int) -> bool:
    """Whether a picture's result is written in its own format beside the PNG."""
    if not origin.format.any_channels:
        return False
    return origin.format.name != "TIFF" or origin.dtype != np.uint8 or channels not in SHOWN


def _write_full_depth(
    stage: Path, restored: np.ndarray, alpha: np.ndarray | None, origin: Origin, *, strip: bool
) -> list[str]:
    """Writes the result in the picture's own format, if a PNG can't hold it; returns the names."""
    if not has_full_depth(origin, restored.shape[2]):
        return []
    name = f"restored{origin.format.suffixes[0]}"
    if origin.format.name in ("NPY", "NPZ"):  # arrays are [h, w, c] here, without alpha
        alpha, origin = None, origin._replace(layout=Layout())
        if origin.dtype.kind == "f" or origin.dtype.itemsize == 1:
            scale = origin.scale if origin.dtype.kind == "f" else Scale(0, 1)
            origin = origin._replace(dtype=np.dtype(np.float32), scale=scale)
    write_picture(stage / name, restored, alpha, origin, strip=strip)
    return [name]


def _write_map(stage: Path, names: tuple[str, str], values: np.ndarray) -> None:
    """Writes ``[h, w]`` as an array, and as a picture for the eye."""
    np.save(stage / names[0], values.astype(np.float32))
    write_picture(stage / names[1], values[:, :, None] / max(float(values.max()), 1e-9))


def _as_8_bit(origin: Origin) -> Origin:
    return origin._replace(dtype=ORIGIN.dtype, scale=ORIGIN.scale)


def _write_trace(path: Path, trace: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *trace])
        for step, values in zip(
            number_steps(trace), zip(*trace.values(), strict=True), strict=True
        ):
            writer.writerow([step, *(f"{value:.7g}" for value in values)])
