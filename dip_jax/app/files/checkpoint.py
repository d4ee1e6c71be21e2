"""Checkpoints: what a run needs to continue where it was killed, beside its results.

Orbax writes them in a thread of their own, each whole or not at all.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dip_jax.app.errors import UserError, printable
from dip_jax.app.files.atomic import replacing

FOLDER = ".checkpoint"
SETTINGS = "settings.json"
KEPT = 2  # if the newest can't be read, the one before may
Arrays = dict[str, Any]
"""Arrays by name, in dictionaries of dictionaries; none of them empty."""


class Checkpoint:
    """Keeps a run's arrays in ``folder/.checkpoint``; for use from one thread.

    Args:
      folder: the run's results; it exists.
      settings: what the run depends on: a checkpoint made with others is refused.
      seconds: the least time between two saves; 0 waits for each one.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], seconds: float = 30.0):
        self._folder = folder / FOLDER
        self._settings = json.loads(json.dumps(settings))  # tuples become lists, as in the file
        self._seconds = seconds
        self._last = time.monotonic()
        self._number = 0
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._saving: Future[None] | None = None
        self._broken = False

    def load(self) -> Arrays | None:
        """Returns the newest arrays that can be read; None if there are none.

        Raises:
          UserError: if they belong to a run with other settings.
        """
        numbers = _numbers(self._folder)
        if not numbers:
            self.clear()  # an unfinished save
            return None
        try:
            found = json.loads((self._folder / SETTINGS).read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("it holds no settings")
        except (OSError, ValueError) as error:
            problem = f"can't be read ({_line(error)}); remove it to start again"
            raise UserError("--resume", self._folder / SETTINGS, problem) from error
        check_same(found, self._settings, self._folder)
        for begun in self._folder.glob("*.orbax-checkpoint-tmp*"):  # orbax warns of them
            shutil.rmtree(begun, ignore_errors=True)
        self._number = numbers[-1]
        for number in reversed(numbers):
            try:
                return _checkpointer().restore(self._folder.absolute() / str(number))
            except Exception as error:  # half-written or damaged: orbax has no one type for it
                _say(f"checkpoint {self._folder / str(number)} can't be read ({_line(error)})")
        return None

    def offer(self, arrays: Callable[[], Arrays], at_once: bool = False) -> None:
        """Saves ``arrays()`` if it is time to, or ``at_once``."""
        early = time.monotonic() - self._last < self._seconds
        if self._broken or (early and not at_once):
            return
        if self._saving is not None and not self._saving.done():
            if self._seconds and not at_once:
                return
            self._saving.result()
            if self._broken:
                return
        # A copy: the next chunk writes over the state's memory.
        copied = jax.tree.map(np.array, arrays())
        self._number += 1
        self._saving = self._pool.submit(self._save, self._number, copied)

    def clear(self) -> None:
        """Removes all checkpoints, once the save under way has ended."""
        if self._saving is not None:
            self._saving.result()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *error: object) -> None:
        """Waits for the save under way."""
        self._pool.shutdown()

    def _save(self, number: int, arrays: Arrays) -> None:
        try:
            str(self._folder.absolute()).encode()  # orbax needs names in UTF-8
            self._folder.mkdir(exist_ok=True)
            if not (self._folder / SETTINGS).exists():
                with replacing(self._folder / SETTINGS) as partial:
                    partial.write_text(json.dumps(self._settings), encoding="utf-8")
            # With room to spare: orbax handles a full disk badly.
            needed = 2 * sum(array.nbytes for array in jax.tree.leaves(arrays))
            free = shutil.disk_usage(self._folder).free
            if free < needed:
                raise OSError(f"{needed / 1e6:.1f} MB wanted, the disk has {free / 1e6:.1f}")
            _checkpointer().save(self._folder.absolute() / str(number), arrays)
            for old in _numbers(self._folder)[:-KEPT]:
                shutil.rmtree(self._folder / str(old), ignore_errors=True)
            self._last = time.monotonic()
        except Exception as error:  # such as a full disk: no reason to lose the run
            self._broken = True
            for begun in self._folder.glob(f"{number}.*"):  # orbax's temporary folder
                shutil.rmtree(begun, ignore_errors=True)
            _say(f"no checkpoint could be written ({_line(error)}); the run goes on without")


def check_same(found: dict[str, Any], wanted: dict[str, Any], place: Path) -> None:
    """Raises a UserError that names what differs between two runs' settings, if anything does."""
    if found == wanted:
        return
    if found.get("format") != wanted.get("format"):
        problem = "was made by a version of dip-jax with other settings files; name another --out"
        raise UserError("--resume", place, f"{problem}, or begin again with --overwrite")
    old, new = _flatten(found), _flatten(wanted)
    differing = [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in dict.fromkeys([*new, *old])
        if old.get(name) != new.get(name)
    ]
    raise UserError(
        "--resume",
        place,
        f"belongs to another run: {'; '.join(differing)}. Use its flags or another "
        "--out; --overwrite with --resume restores again what differs",
    )


def _flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Returns the settings of the run whose checkpoint ``folder`` holds; None without one."""
    place = folder / FOLDER
    try:
        found = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and _numbers(place) else None


def _numbers(folder: Path) -> list[int]:
    """Returns the numbers of the complete checkpoints; orbax renames them only when complete."""
    if not (folder / SETTINGS).exists():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _checkpointer() -> Any:
    import orbax.checkpoint  # a second to import, and short runs need none

    return orbax.checkpoint.PyTreeCheckpointer()


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _say(text: str) -> None:
    print(f"dip-jax: note: {printable(text)}", file=sys.stderr)
