"""Many pictures named at once: a folder, a pattern or a list, with partners by name."""

import glob
import itertools
import os
from collections import Counter
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
    """The file's path below the folder, without its suffix unless two would be alike; also that of
    its folder of results."""
    image: str
    partners: dict[str, str | None]
    """Its mask, reference and so on, by the name of the flag; None for those not given."""


def names_many(image: str | None) -> bool:
    """Whether ``--image`` means many pictures."""
    if image is None or os.path.isfile(image):  # False too for an invalid name
        return image is not None and Path(image).suffix.lower() == LIST
    return os.path.isdir(image) or glob.has_magic(image)


def list_pictures(
    image: str, given: Mapping[str, str | None], *, recursive: bool = False
) -> list[Entry]:
    """Returns the pictures that ``--image`` means, each with its partners.

    Args:
      image: a folder, a pattern, or a text file of paths, which are relative to its own folder;
        empty lines and lines that start with # do not count.
      given: what the flags of partners say, such as ``mask`` and ``reference``: one file for all
        pictures, a folder of files of the same names or with ``_mask`` at their ends (it may be
        the folder of the pictures), or None.
      recursive: whether the folders within a folder count too, for partners alike.

    Raises:
      UserError: for no picture, two of one name, or pictures without their partner.
    """
    partners = {
        flag: _partners_in(flag, value, recursive=recursive) for flag, value in given.items()
    }
    paths = [
        path
        for path in _paths(image, recursive=recursive)
        if not _is_partner(path, given, recursive)
    ]
    for flag, value in given.items():  # one file for all, perhaps among the pictures
        if flag != "reference" and value is not None and os.path.isfile(value):
            paths = [path for path in paths if not (path.exists() and path.samefile(value))]
    if not paths:
        if os.path.exists(image):
            raise UserError("image", image, "holds no picture; name a folder with some")
        raise UserError("image", image, "is not a file, and no picture matches it; check the path")
    names = _name_all(image, paths)
    found = {flag: _match(flag, given[flag], partners[flag], names) for flag in given}
    return [
        Entry(name, str(path), {flag: found[flag][name] for flag in given})
        for name, path in names.items()
    ]


def _name_all(image: str, paths: list[Path]) -> dict[str, Path]:
    """Returns the pictures by their names."""
    for path in paths:
        if path.stem in ("", ".", "..", *TABLES):
            problem = f"has a picture whose results can't have its name, {path}; rename it"
            raise UserError("image", image, problem)
    root = Path(image) if os.path.isdir(image) else None
    count = Counter(_key(path, root) for path in paths)
    names: dict[str, Path] = {}
    for path in paths:
        key = _key(path, root)
        name = key if count[key] == 1 else f"{key}{path.suffix}"
        if name in names:
            both = f"{names[name]} and {path}"
            mend = "rename one, or name their folder, with --recursive"
            raise UserError("image", image, f"has two pictures of the same name, {both}; {mend}")
        names[name] = path
    return names


def _key(path: Path, root: Path | None) -> str:
    """Returns a file's path without its suffix, relative to ``root`` if there is one."""
    return path.stem if root is None else str(path.relative_to(root).parent / path.stem)


def note_skipped(image: str, *, recursive: bool) -> list[str]:
    """Returns remarks on the files in a folder that have no suffix of a picture."""
    if not os.path.isdir(image):
        return []
    skipped = [path.name for path in _files(Path(image), recursive) if not _is_picture(path)]
    if not skipped:
        return []
    what = "not a picture by its suffix" if len(skipped) == 1 else "not pictures by their suffixes"
    return [f"--image={image}: skipped {_shorten(skipped)}: {what}"]


def note_spare_partners(
    entries: Iterable[Entry], given: Mapping[str, str | None], *, recursive: bool = False
) -> list[str]:
    """Returns remarks on partners that belong to no picture.

    Args:
      entries: from :func:`list_pictures`.
      given: as given to it.
      recursive: as given to it.
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
            for path in itertools.chain(*_partners_in(flag, value, recursive=recursive).values())
            if path.resolve() not in taken
        ]
        if spare:
            notes.append(f"--{flag}={value}: {_shorten(spare)} belong to no picture")
    return notes


def _paths(image: str, *, recursive: bool) -> list[Path]:
    folder = Path(image)
    if folder.is_dir():
        return _in(folder, recursive=recursive)
    if glob.has_magic(image) and not folder.exists():
        return sorted(
            path for path in map(Path, glob.glob(image, recursive=True)) if path.is_file()
        )
    try:
        lines = folder.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("image", image, f"is not a list of paths ({error})") from error
    if any("\0" in line for line in lines):
        raise UserError("image", image, "is not text (it holds zero bytes); save it as UTF-8")
    paths = [line.strip() for line in lines]
    return [folder.parent / line for line in paths if line and not line.startswith("#")]


def _in(folder: Path, flag: str = "image", *, recursive: bool) -> list[Path]:
    """Returns the pictures in a folder, by suffix; a list or a pattern may name any file."""
    try:
        return [path for path in _files(folder, recursive) if _is_picture(path)]
    except OSError as error:
        raise UserError(flag, folder, f"can't be read ({error.strerror})") from error


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _files(folder: Path, recursive: bool) -> list[Path]:
    """Returns the files in a folder that are not hidden, in order."""
    seen = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    # A broken link is reported as a picture that failed.
    files = [path for path in seen if path.is_file() or (path.is_symlink() and not path.exists())]
    if recursive:
        for path in seen:
            if path.is_dir() and not path.is_symlink():
                files += _files(path, recursive)
    return files


def _is_partner(path: Path, given: Mapping[str, str | None], recursive: bool) -> bool:
    """Whether a picture is another's mask or reference, from a folder that holds both."""
    folder = path.parent.resolve()
    folders = [folder, *(folder.parents if recursive else [])]
    return any(
        value is not None and path.stem.endswith(f"_{flag}") and Path(value).resolve() in folders
        for flag, value in given.items()
    )


def _partners_in(flag: str, value: str | None, *, recursive: bool) -> dict[str, list[Path]]:
    """Returns the partners in a folder, by name; none if ``value`` is not a folder."""
    if value is None or os.path.isfile(value):
        return {}
    if not os.path.isdir(value):
        raise UserError(flag, value, "does not exist; check the path")
    found: dict[str, list[Path]] = {}
    for path in _in(Path(value), flag, recursive=recursive):
        found.setdefault(_key(path, Path(value)), []).append(path)
    return found


def _match(
    flag: str, value: str | None, partners: dict[str, list[Path]], names: dict[str, Path]
) -> dict[str, str | None]:
    """Returns each picture's partner."""
    if value is None or not os.path.isdir(value):
        return dict.fromkeys(names, value)
    matched: dict[str, str | None] = {}
    missing = []
    pictures = {picture.resolve() for picture in names.values()}
    for name, picture in names.items():
        keys = dict.fromkeys([name, name.removesuffix(picture.suffix)])
        own = [path for key in keys for path in partners.get(f"{key}_{flag}", [])]
        own += [path for key in keys for path in partners.get(key, [])]
        own = [path for path in own if path.resolve() not in pictures]
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
