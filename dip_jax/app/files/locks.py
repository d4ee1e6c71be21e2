"""One run at a time in a folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from dip_jax.app.errors import NotOursError, UserError

LOCK = ".lock"


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keeps other runs out of ``folder`` for as long as this process lives.

    Raises:
      UserError: if another run is there, or the folder can't be written.
    """
    path = folder / LOCK
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
