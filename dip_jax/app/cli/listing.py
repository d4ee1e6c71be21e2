"""Many pictures named at once: a folder, a pattern or a list, with partners by name."""

import glob
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import SUFFIXES
from dip_jax.app.files.summary import TABLES

LIST = ".txt"
_SHOWN = 3


class Entry(NamedTuple):
    """One picture of many."""

    name: str
    """The file's name without its suffix; also that of its folder of results."""
    image: str
    partners: dict[str, str | None]
    """Its mask, reference and so on, by the name of the flag; None for those not given."""


def names_many(image: str | None) -> bool:
    """Whether ``--image`` means many pictures."""
    if image is None or os.path.isfile(image):  # False too where a name is no name at all
        return image is not None and Path(image).suffix.lower() == LIST
    return os.path.isdir(image) or glob.has_magic(image)


def list_pictures(image: str, given: Mapping[str, str | None]) -> list[Entry]:
    """Returns the pictures that ``--image`` means, each with its partners.

    Args:
      image: a folder (not those within it), a pattern, or a text file of paths, which are
        relative to its own folder; empty lines and lines that start with # do not count.
      given: what the flags of partners say, such as ``mask`` and ``reference``: one file for all
        pictures, a folder of files of the same names or with ``_mask`` at their ends (it may be
        the folder of the pictures), or None.

    Raises:
      UserError: for no picture, two of one name, or pictures without their partner.
    """
    partners = {flag: _partners_in(flag, value) for flag, value in given.items()}
    paths = [path for path in _paths(image) if not _is_partner(path, given)]
    for flag, value in given.items():  # one file for all, perhaps among the pictures
        if flag != "reference" and value is not None and os.path.isfile(value):
            paths = [path for path in paths if not (path.exists() and path.samefile(value))]
    if not paths:
        raise UserError("image", image, "holds no picture; name a folder with some")
    names: dict[str, Path] = {}
    for path in paths:
        if path.stem in names:
            both = f"{names[path.stem]} and {path}"
            raise UserError("image", image, f"has two pictures of one name, {both}; rename one")
        if path.stem in ("", ".", "..", *TABLES):
            problem = f"has a picture whose results can't have its name, {path}; rename it"
            raise UserError("image", image, problem)
        names[path.stem] = path
    found = {flag: _match(flag, given[flag], partners[flag], names) for flag in given}
    return [
        Entry(name, str(path), {flag: found[flag][name] for flag in given})
        for name, path in names.items()
    ]


def note_spare_partners(entries: Iterable[Entry], given: Mapping[str, str | None]) -> list[str]:
    """Returns what is to be said of partners that belong to no picture.

    Args:
      entries: from :func:`list_pictures`.
      given: as given to it.
    """
    notes = []
    for flag, value in given.items():
        taken = {
            Path(path).resolve()
            for entry in entries
            for path in (entry.image, *entry.partners.values())
            if path
        }
        spare = [
            path.name
            for path in itertools.chain(*_partners_in(flag, value).values())
            if path.resolve() not in taken
        ]
        if spare:
            notes.append(f"--{flag}={value}: {_shorten(spare)} belong to no picture")
    return notes


def _paths(image: str) -> list[Path]:
    folder = Path(image)
    if folder.is_dir():
        return _in(folder)
    if glob.has_magic(image) and not folder.exists():
        return sorted(
            path for path in map(Path, glob.glob(image, recursive=True)) if path.is_file()
        )
    try:
        lines = folder.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("image", image, f"is no list of paths ({error})") from error
    if any("\0" in line for line in lines):
        raise UserError("image", image, "is no list (it holds zero bytes); save it as UTF-8")
    told = [line.strip() for line in lines]
    return [folder.parent / line for line in told if line and not line.startswith("#")]


def _in(folder: Path, flag: str = "image") -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.iterdir()
            # Other files in a folder are ignored. A list or a pattern may name any.
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            # A broken link is reported as a picture that failed.
            and (path.is_file() or path.is_symlink())
        )
    except OSError as error:
        raise UserError(flag, folder, f"can't be read ({error.strerror})") from error


def _is_partner(path: Path, given: Mapping[str, str | None]) -> bool:
    """Whether a picture is another's mask or reference, from a folder that holds both."""
    return any(
        value is not None
        and path.stem.endswith(f"_{flag}")
        and path.parent.resolve() == Path(value).resolve()
        for flag, value in given.items()
    )


def _partners_in(flag: str, value: str | None) -> dict[str, list[Path]]:
    """The pictures by name that a folder of partners holds; none if it is no folder."""
    if value is None or os.path.isfile(value):
        return {}
    if not os.path.isdir(value):
        raise UserError(flag, value, "does not exist; check the path")
    found: dict[str, list[Path]] = {}
    for path in _in(Path(value), flag):
        found.setdefault(path.stem, []).append(path)
    return found


def _match(
    flag: str, value: str | None, partners: dict[str, list[Path]], names: dict[str, Path]
) -> dict[str, str | None]:
    """Returns each picture's partner."""
    if value is None or not os.path.isdir(value):
        return dict.fromkeys(names, value)
    matched: dict[str, str | None] = {}
    missing = []
    for name, picture in names.items():
        own = [*partners.get(f"{name}_{flag}", []), *partners.get(name, [])]
        own = [path for path in own if not (picture.exists() and path.samefile(picture))]
        if len(own) > 1:
            problem = f"has several partners for {name}: {_shorten([path.name for path in own])}"
            raise UserError(flag, value, f"{problem}; keep one")
        if own:
            matched[name] = str(own[0])
        else:
            missing.append(name)
    if missing:
        mend = f"name files like the pictures, or with _{flag} at the end"
        raise UserError(flag, value, f"has no partner for {_shorten(missing)}; {mend}")
    return matched


def _shorten(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
