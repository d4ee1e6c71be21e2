"""The studio's folder: one folder for each browser, in it one for each picture and each job.

A browser is known by a secret in its cookie. Its folder is called by the secret's hash, so that
no name on the disk lets anyone in. The names of folders are made here; what a request names is
compared with their form before it becomes part of a path.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dip_jax_studio.problem import Problem

PLACES = ("pictures", "jobs")
_IDENTITY = re.compile(r"[0-9a-f]{16}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OWNER = re.compile(r"[0-9a-f]{32}")
_DAY = 24 * 3600
_MARK, _LOCK = "studio.txt", ".lock"
_TOLD = "Pictures and fits of dip-jax-studio. They are removed after some days without use.\n"


def new_token() -> str:
    """Returns a secret that names a browser."""
    return secrets.token_urlsafe(32)


def owner_of(token: str | None) -> str | None:
    """Returns the name of a browser's folder; None for what is no secret of ours."""
    if token is None or not _TOKEN.fullmatch(token):
        return None
    return hashlib.sha256(token.encode()).hexdigest()[:32]


class Store:
    """The folders under ``root``, which is made if there is none.

    Raises:
      Problem: if the folder can't be written, holds other files, or another studio uses it.
    """

    def __init__(self, root: Path):
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if any(root.iterdir()) and not (root / _MARK).exists():
                problem = f"--folder={root}: holds other files; name an empty folder"
                raise Problem(problem)
            (root / _MARK).write_text(_TOLD, encoding="utf-8")
            self._lock = FileLock(root / _LOCK, thread_local=False)
            self._lock.acquire(blocking=False)
        except Timeout:
            problem = f"--folder={root}: is used by another dip-jax-studio; name another folder"
            raise Problem(problem) from None
        except OSError as error:
            raise Problem(f"--folder={root}: can't be written ({error.strerror})") from error

    def close(self) -> None:
        """Leaves the folder to another studio."""
        self._lock.release()

    def make(self, owner: str, kind: str) -> Path:
        """Makes a folder for a new picture or job; its name is the identity."""
        folder = self._place(owner, kind) / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def find(self, owner: str, kind: str, identity: str) -> Path:
        """Returns the folder of a browser's picture or job.

        Raises:
          Problem: if it has none of that name.
        """
        if _IDENTITY.fullmatch(identity):
            folder = self._place(owner, kind) / identity
            if folder.is_dir():
                return folder
        if kind == "pictures":
            raise Problem("the picture no longer exists; choose it again", 404)
        raise Problem("this job no longer exists; reload the page", 404)

    def list(self, owner: str, kind: str) -> list[Path]:
        """Returns the folders of a browser's pictures or jobs, the oldest first."""
        place = self._place(owner, kind)
        if not place.is_dir():
            return []
        found = [path for path in place.iterdir() if _IDENTITY.fullmatch(path.name)]
        return sorted(found, key=_used)

    def owners(self) -> Iterator[str]:
        """Yields the names of all browsers' folders."""
        for path in sorted(self.root.iterdir()):
            if path.is_dir() and _OWNER.fullmatch(path.name):
                yield path.name

    def sweep(self, days: float, busy: frozenset[Path] = frozenset()) -> int:
        """Removes what was not used for so many days, and folders left empty; returns how many."""
        before, removed = time.time() - days * _DAY, 0
        for owner in list(self.owners()):
            for kind in PLACES:
                for folder in self.list(owner, kind):
                    if folder not in busy and _used(folder) < before:
                        remove(folder)
                        removed += 1
                with contextlib.suppress(OSError):
                    self._place(owner, kind).rmdir()
            with contextlib.suppress(OSError):
                (self.root / owner).rmdir()
        return removed

    def _place(self, owner: str, kind: str) -> Path:
        if not _OWNER.fullmatch(owner) or kind not in PLACES:
            raise ValueError(f"no folder of the studio: {owner!r}, {kind!r}")
        return self.root / owner / kind


def remove(folder: Path) -> None:
    """Removes a folder with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def write_record(path: Path, record: Any) -> None:
    """Writes a record as JSON, whole or not at all."""
    partial = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        partial.write_text(json.dumps(record), encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any] | None:
    """Returns a record; None if there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _used(folder: Path) -> float:
    """Returns when something in a folder was last made or replaced, in seconds."""
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
