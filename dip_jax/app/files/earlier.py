"""An earlier run in a folder: whose results it holds, and whether a run may continue them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.app.errors import NotOursError
from dip_jax.app.files.checkpoint import FOLDER, check_same, read_settings
from dip_jax.app.files.locks import LOCK
from dip_jax.app.files.results import PARTIAL, RECORD
from dip_jax.app.files.summary import FAILURE

Settings = dict[str, Any]


def digest_arrays(arrays: Mapping[str, np.ndarray | None]) -> Settings:
    """Returns what identifies arrays: shapes and hashes, by name."""
    return {
        name: None
        if array is None
        else f"{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()[:16]}"
        for name, array in arrays.items()
    }


def find_finished(folder: Path, settings: Settings) -> Settings | None:
    """Returns the record of a finished run with these settings, if ``folder`` holds one.

    Raises:
      UserError: if it holds one with others, and none with these was begun since.
    """
    record = _read_finished(folder)
    if record is None:
        return None
    if record["run"] != settings and read_settings(folder) == settings:
        return None  # it was to be overwritten
    check_same(record["run"], settings, folder)
    return record


def check_resumable(folder: Path, common: Settings) -> None:
    """Raises a UserError if ``folder`` holds a run with other settings than ``common``."""
    found = read_settings(folder)
    if found is None:
        record = _read_finished(folder)
        found = None if record is None else record["run"]
    if found is not None:
        check_same({name: found.get(name) for name in common}, common, folder)


def check_ours(folder: Path) -> None:
    """Raises a NotOursError if ``folder`` holds files, but no run to continue."""
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    begun = any(name == FOLDER or name.startswith(PARTIAL) for name in names)
    # A kill may leave these before there is more; they do not show that the rest is ours.
    small = [name for name in names if name == LOCK or name.endswith(FAILURE)]
    if len(names) > len(small) and not begun and _read_record(folder) is None:
        problem = "holds files, but no run to continue; name the --out of one"
        raise NotOursError("--resume", folder, problem)


def _read_finished(folder: Path) -> Settings | None:
    record = _read_record(folder)
    return None if record is None or record.get("interrupted", True) else record


def _read_record(folder: Path) -> Settings | None:
    """Returns the record of a run, finished or interrupted."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("run"), dict):
        return None
    return record
