"""Where results go: to a file that is named, or beside the picture, or into a folder."""

import contextlib
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from dip_jax.app.cli.listing import Entry
from dip_jax.app.cli.request import Request
from dip_jax.app.errors import UserError
from dip_jax.app.files import Origin
from dip_jax.app.files.formats import (
    PNG,
    SAVABLE,
    Format,
    RefusedError,
    find_format,
    format_of_suffix,
    why_not_written,
)
from dip_jax.app.files.pictures import STREAM, read_head

_PREVIEW = "_preview"  # at the end of the stem of each
_BESIDE, _WITHIN, _PART = "{stem}_restored{suffix}", "{stem}{suffix}", "{stem}_preview{suffix}"
_SHOWN = 3


def names_file(out: str | None) -> bool:
    """Whether ``--out`` means a picture file, or standard output."""
    if out == STREAM:
        return True
    if out is None or out.endswith(("/", os.sep)) or os.path.isdir(out):
        return False
    return format_of_suffix(Path(out)) is not None


def find_target(request: Request, origin: Origin) -> Path | None:
    """Returns the file to write, checked; None if the results go to a folder.

    Standard output is the file :data:`STREAM`.

    Raises:
      UserError: for a file that is there already, or can't be written.
    """
    out, image, name = request.out, request.files.image, request.name
    source = Path("stdin" if image == STREAM else str(image))
    suffix = request.suffix or _suffix(source, origin.format)
    fill = {"stem": source.stem, "suffix": suffix}
    preview = request.preview is not None
    if names_file(out):
        if name is not None:
            raise UserError("name", name, f"can't go with --out={out}, which is a file; drop one")
        target = Path(str(out))
        if out != STREAM:
            _check_suffix(request, "out", str(out), str(out))
    elif out is not None and request.plain and (name or preview or request.suffix):
        template = name or (_PART if preview else _WITHIN)
        target = Path(out) / fill_name(template, request, **fill)
    elif out is None and request.plain:
        template = name or (_PART if preview else _BESIDE)
        target = source.parent / fill_name(template, request, **fill)
    else:
        return None
    _check_no_run(request)
    if preview and out != STREAM and not target.stem.endswith(_PREVIEW):
        target = target.with_stem(f"{target.stem}{_PREVIEW}")
    if out != STREAM:
        _check_target(target, image, overwrite=request.overwrite, make=not names_file(out))
    elif sys.stdout is None or sys.stdout.isatty():
        raise UserError(
            "out", out, "is a terminal, which shows no picture; add > FILE or | PROGRAM"
        )
    return target


def find_targets(request: Request, entries: list[Entry]) -> dict[str, Path] | None:
    """Returns the file to write for each of many pictures, by name; None for folders of results.

    Pictures that are the results of others are left out.

    Raises:
      UserError: for files that are there already, unless these may be replaced or kept; for
        two results of one name.
    """
    if not request.plain:
        return None
    _check_no_run(request._replace(resume=False))
    folder = _folder_of_many(request)
    template = request.name or (_BESIDE if folder is None else _WITHIN)
    named = _name_results(request, entries, folder, template)
    results = {path.resolve() for path in named.values()}
    pictures, targets = set(), {}
    for entry in entries:
        picture, target = Path(entry.image).resolve(), named[entry.name]
        if picture not in results - {target.resolve()}:
            pictures.add(picture)
            targets[entry.name] = target
    for path in targets.values():
        if path.resolve() in pictures:
            raise UserError("name", template, f"would replace {path}, one of the pictures")
    there = [path.name for path in targets.values() if path.exists()]
    if there and not (request.overwrite or request.resume):
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        problem = f"holds {', '.join(there[:_SHOWN])}{more}; pass --resume to keep what is there, "
        place = next(iter(targets.values())).parent if folder is None else folder
        raise UserError("out", place, problem + "or --overwrite to replace it")
    return targets


def _name_results(
    request: Request, entries: list[Entry], folder: Path | None, template: str
) -> dict[str, Path]:
    """Returns the file for each picture's result, in ``folder`` or beside the picture."""

    def find(entry: Entry, stem: str) -> Path:
        source = Path(entry.image)
        suffix = request.suffix or _suffix(source, _format_of(source))
        place = source.parent if folder is None else folder / Path(entry.name).parent
        return place / fill_name(template, request, stem=stem, suffix=suffix)

    targets = {entry.name: find(entry, Path(entry.image).stem) for entry in entries}
    count = Counter(targets.values())
    for entry in entries:  # such as a.gif, whose result would be a.png, beside an a.png
        target, whole = targets[entry.name], Path(entry.image).name
        if count[target] > 1 and target.name != whole:
            targets[entry.name] = find(entry, whole)
    path, times = Counter(targets.values()).most_common(1)[0]
    if times > 1:
        problem = f"gives {times} results the same name, {path.name}; put {{stem}} into it"
        raise UserError("name", template, problem)
    return targets


def _folder_of_many(request: Request) -> Path | None:
    """Returns the folder for the files of many pictures; None if each lies beside its own."""
    if request.out is not None:
        return Path(request.out)
    image = Path(str(request.files.image)).resolve()
    if image.is_dir() and request.name is None:
        return image.with_name(f"{image.name}_restored")
    return None


def fill_name(template: str, request: Request, *, stem: str, suffix: str) -> str:
    """Returns the name that ``--name`` gives to a result.

    Raises:
      UserError: for an unknown word in braces, or what is not the name of a picture file.
    """
    words = {
        "stem": stem,
        "suffix": suffix,
        "task": request.task.name,
        "preset": request.preset.name,
    }

    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            known = ", ".join(f"{{{name}}}" for name in words)
            raise UserError("name", template, f"has {found[0]}, which means nothing; take {known}")
        return words[found[1]]

    name = re.sub(r"\{([^{}]*)\}", word, template)
    if "/" in name or os.sep in name or "\0" in name:
        raise UserError("name", template, "is not a file name; --out names the folder")
    format = format_of_suffix(Path(name))
    if format is None or format.save is None:
        raise UserError("name", template, f"must end in {{suffix}}, or in one of {SAVABLE}")
    _check_suffix(request, "name", template, name)
    return name


def _check_suffix(request: Request, flag: str, value: str, name: str) -> None:
    """Raises a UserError if a file's name says another format than ``--format``."""
    wanted = request.suffix
    if wanted is None or format_of_suffix(Path(name)) == format_of_suffix(Path(f"it{wanted}")):
        return
    problem = f"is not the format of --{flag}={value}; drop one"
    raise UserError("format", request.flags["format"], problem)


def _check_no_run(request: Request) -> None:
    """Raises a UserError for flags that need a folder of results."""
    for name, value in (("resume", request.resume), ("checkpoint", request.flags["checkpoint"])):
        if name in request.given and value is not False:
            problem = "needs a folder to keep the run in: --out=FOLDER"
            raise UserError(name, value, problem)


def suffix_like(origin: Origin) -> str:
    """Returns the suffix of results in the format of a picture's file, if that can hold them."""
    return (origin.format if origin.format.save is not None else PNG).suffixes[0]


def _suffix(source: Path, format: Format | None) -> str:
    """Returns the suffix of a result beside its picture: the same, if its format can hold it."""
    if format is None or format.save is None:
        return PNG.suffixes[0]
    return source.suffix if format_of_suffix(source) == format else format.suffixes[0]


def _format_of(source: Path) -> Format | None:
    """Returns the format of a file, by its first bytes; by its name if they are unknown."""
    with contextlib.suppress(OSError, ValueError, RefusedError):
        return find_format(source, read_head(source))
    return format_of_suffix(source)


def _check_target(target: Path, image: str | None, *, overwrite: bool, make: bool) -> None:
    """Raises a UserError if the file should not or can't be written.

    Args:
      target: the file.
      image: the picture.
      overwrite: whether a file that is there may be replaced.
      make: whether its folder will be made, if there is none.
    """
    if problem := why_not_written(format_of_suffix(target)):
        raise UserError("out", target, problem)
    if target.exists():
        if image not in (None, STREAM) and target.samefile(str(image)):
            raise UserError("out", target, "is the picture itself; name another file")
        if not overwrite:
            raise UserError("out", target, "exists; name another file, or pass --overwrite")
    folder = target.parent
    if make:
        folder = next(place for place in (folder, *folder.parents) if place.exists())
    if not folder.is_dir():
        raise UserError("out", target, "lies in a folder that does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = f"can't be written ({error.strerror}); name another place with --out"
        raise UserError("out", target, problem) from error
