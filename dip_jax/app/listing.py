"""Many pictures named at once: a folder, a pattern or a list, with partners by name."""

import glob
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from dip_jax.app.errors import UserError
from dip_jax.app.sources import Files

# Other files in a folder are no pictures. A list or a pattern may name any.
PICTURES = ("png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "gif", "ppm", "pgm", "pnm", "npy")
LIST = ".txt"
_SHOWN = 3


class Entry(NamedTuple):
    """One picture of many."""

    name: str
    """The file's name without its suffix; of its folder of results, too."""
    files: Files


def names_many(image: str | None) -> bool:
    """Whether ``--image`` means many pictures."""
    if image is None or Path(image).is_file():
        return image is not None and Path(image).suffix.lower() == LIST
    return Path(image).is_dir() or glob.has_magic(image)


def list_pictures(image: str, mask: str | None, reference: str | None) -> list[Entry]:
    """The pictures that ``--image`` means, each with its partners.

    Args:
      image: a folder (not those within it), a pattern, or a text file of paths, which are
        relative to its own folder; empty lines and such that start with # do not count.
      mask: one file for all pictures, a folder of masks of the same names or with ``_mask``
        at their ends, or None.
      reference: as ``mask``, with ``_reference`` at their ends.

    Raises:
      UserError: for no picture, two of one name, or pictures without their partner.
    """
    paths = _paths(image)
    if not paths:
        raise UserError("--image", image, "holds no picture; name a folder with some")
    names: dict[str, Path] = {}
    for path in paths:
        if path.stem in names:
            both = f"{names[path.stem].name} and {path.name}"
            raise UserError("--image", image, f"has two pictures of one name, {both}; rename one")
        names[path.stem] = path
    mask_of, reference_of = (
        _partners(flag, value, names) for flag, value in (("mask", mask), ("reference", reference))
    )
    return [
        Entry(name, Files(str(path), mask_of(name), reference_of(name)))
        for name, path in names.items()
    ]


def _paths(image: str) -> list[Path]:
    folder = Path(image)
    if folder.is_dir():
        return _in(folder)
    if glob.has_magic(image) and not folder.exists():
        return sorted(
            path for path in map(Path, glob.glob(image, recursive=True)) if path.is_file()
        )
    try:
        lines = folder.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("--image", image, f"is no list of paths ({error})") from error
    told = [line.strip() for line in lines]
    return [folder.parent / line for line in told if line and not line.startswith("#")]


def _in(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower()[1:] in PICTURES
            and not path.name.startswith(".")
            and path.is_file()
        )
    except OSError as error:
        raise UserError("--image", folder, f"can't be read ({error.strerror})") from error


def _partners(flag: str, value: str | None, names: Iterable[str]) -> Callable[[str], str | None]:
    """From a picture's name to its partner's path."""
    if value is None or not Path(value).is_dir():
        return lambda name: value
    found = {path.stem: str(path) for path in _in(Path(value))}
    partners = {name: found.get(name) or found.get(f"{name}_{flag}") for name in names}
    missing = [name for name, path in partners.items() if path is None]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        without = ", ".join(missing[:_SHOWN]) + more
        mend = f"name files like the pictures, or with _{flag} at the end"
        raise UserError(f"--{flag}", value, f"has no partner for {without}; {mend}")
    return partners.__getitem__
