"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name to write to; in the end the file is renamed to ``path``.

    The temporary name lies in the same folder, since a file is only renamed atomically
    within one file system, and keeps the suffix. It is removed if anything fails.
    """
    # Process numbers are not enough where several machines write.
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    partial = path.with_name(f".{mark}.partial.{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
