"""What the last picture of a folder hands on to the next, kept for ``--resume``.

Pictures with different numbers of channels have different networks, and so files of their own. The
picture before the last is kept too: a kill may come before the results of the last are written.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dip_jax.app.files.atomic import replacing
from dip_jax.app.files.checkpoint import Arrays

_NAME = "picture"


def write_carried(folder: Path, name: str, channels: int, carried: Mapping[int, Arrays]) -> None:
    """Saves the warm start of the named picture, by member, in place of older ones."""
    arrays = {
        f"{member}/{leaf}": array
        for member, leaves in carried.items()
        for leaf, array in leaves.items()
    }
    newest, before = _files(folder, channels)
    if newest.exists():
        newest.replace(before)
    with replacing(newest) as path:
        np.savez(path, **{_NAME: np.array(name)}, **arrays)


def read_carried(folder: Path, name: str, channels: int) -> dict[int, Arrays] | None:
    """Returns the warm start of the named picture; None if it is not one of the last two."""
    for path in _files(folder, channels):
        carried = _read(path, name)
        if carried is not None:
            return carried
    return None


def _read(path: Path, name: str) -> dict[int, Arrays] | None:
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file[_NAME]) != name:
                return None
            carried: dict[int, Arrays] = {}
            for key in file.files:
                if key != _NAME:
                    member, leaf = key.split("/")
                    carried.setdefault(int(member), {})[leaf] = file[key]
            return carried
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def clear_carried(folder: Path) -> None:
    """Removes the files."""
    for path in folder.glob(".warm_start_*.npz"):
        path.unlink(missing_ok=True)


def _files(folder: Path, channels: int) -> tuple[Path, Path]:
    stem = f".warm_start_{channels}"
    return folder / f"{stem}.npz", folder / f"{stem}_before.npz"
