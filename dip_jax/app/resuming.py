"""Whose results a folder holds, and whether a run may go on there."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from absl import flags
from filelock import FileLock, Timeout

import dip_jax
from dip_jax.app.checkpoint import FOLDER, check_same, settings_of
from dip_jax.app.errors import NotOursError, UserError
from dip_jax.app.results import PARTIAL, RECORD
from dip_jax.app.settings import Preset
from dip_jax.app.sources import Inputs
from dip_jax.app.summary import FAILURE

_LOCK = ".lock"
Settings = dict[str, Any]


def common_settings(values: flags.FlagValues, preset: Preset) -> Settings:
    """All that a result depends on beside the pictures, as it is read from JSON."""
    told = preset._asdict() | {"options": dict(preset.options)}
    # Nor does the memory that is there: a run that goes on keeps the tiles it began with.
    unimportant = ("source", "expected", "every")
    settings = {
        **{name: value for name, value in told.items() if name not in unimportant},
        **{name: values[name].value for name in ("seed", "noise", "keep_known", "sigma", "gain")},
        "versions": [dip_jax.__version__, version("jax"), version("jaxlib")],
        "backend": jax.default_backend(),
    }
    return json.loads(json.dumps(settings))


def digests(inputs: Inputs) -> Settings:
    """What tells a picture's inputs from others'."""
    arrays = {name: getattr(inputs, name) for name in ("observed", "mask", "reference")}
    arrays["alpha_channel"] = inputs.alpha  # a preset has an alpha of its own
    return {"full_depth": inputs.full_depth} | {
        name: None
        if array is None
        else f"{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()[:16]}"
        for name, array in arrays.items()
    }


def finished_record(folder: Path, settings: Settings) -> dict[str, Any] | None:
    """The record of a finished run with these settings, if ``folder`` holds one.

    Raises:
      UserError: if it holds one with others, and none with these was begun since.
    """
    record = _finished(folder)
    if record is None:
        return None
    if record["run"] != settings and settings_of(folder) == settings:
        return None  # it was to be written over
    check_same(record["run"], settings, folder)
    return record


def check_resumable(folder: Path, common: Settings) -> None:
    """Raises a UserError if ``folder`` holds a run with other settings than ``common``."""
    found = settings_of(folder)
    if found is None:
        record = _finished(folder)
        found = None if record is None else record["run"]
    if found is not None:
        check_same({name: found.get(name) for name in common}, common, folder)


def check_ours(folder: Path) -> None:
    """Raises a NotOursError if ``folder`` holds files, but no run to go on with."""
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    begun = any(name == FOLDER or name.startswith(PARTIAL) for name in names)
    # Such as a kill may leave before there is more; no sign that the rest is ours.
    small = [name for name in names if name == _LOCK or name.endswith(FAILURE)]
    if len(names) > len(small) and not begun and _record(folder) is None:
        problem = "holds files, but no run to go on with; name the --out of one"
        raise NotOursError("--resume", folder, problem)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other runs from ``folder`` for as long as this process lives.

    Raises:
      UserError: if another run is there.
    """
    path = folder / _LOCK
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        mend = "wait for its end, or name another folder"
        raise NotOursError("--out", folder, f"is used by another run; {mend}") from error
    except OSError as error:
        raise UserError("--out", folder, f"can't be written ({error.strerror})") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _finished(folder: Path) -> dict[str, Any] | None:
    record = _record(folder)
    return None if record is None or record.get("interrupted", True) else record


def _record(folder: Path) -> dict[str, Any] | None:
    """Of a run, finished or interrupted."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("run"), dict):
        return None
    return record
