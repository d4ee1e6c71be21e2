"""Where a picture's result goes: to a file that is named, or beside the picture, or a folder."""

import os
import sys
import tempfile
from pathlib import Path

from dip_jax.app.cli.request import Request
from dip_jax.app.errors import UserError
from dip_jax.app.files import Origin
from dip_jax.app.files.formats import FORMATS, PNG, format_of_suffix
from dip_jax.app.files.pictures import STREAM


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
    out, image = request.out, request.files.image
    if names_file(out):
        target = Path(str(out))
    elif out is None and request.plain:
        source = Path(str(image))
        target = source.with_name(f"{source.stem}_restored{_suffix(source, origin)}")
    else:
        return None
    for name in ("resume", "checkpoint"):
        if name in request.given and request.flags[name] is not False:
            problem = "needs a folder to keep the run in: --out=FOLDER"
            raise UserError(name, request.flags[name], problem)
    if out != STREAM:
        _check(target, image, overwrite=request.overwrite)
    elif sys.stdout is None or sys.stdout.isatty():
        raise UserError(
            "out", out, "is a terminal, which shows no picture; add > FILE or | PROGRAM"
        )
    return target


def suffix_like(origin: Origin) -> str:
    """Returns the suffix of results in the format of a picture's file, if that can hold them."""
    return (origin.format if origin.format.save is not None else PNG).suffixes[0]


def _suffix(source: Path, origin: Origin) -> str:
    """Returns the suffix of a result beside its picture: the same, if its format can hold it."""
    named = format_of_suffix(source)
    same = named == origin.format and origin.format.save is not None
    return source.suffix if same else suffix_like(origin)


def _check(target: Path, image: str | None, *, overwrite: bool) -> None:
    """Raises a UserError if the file should not or can't be written."""
    format = format_of_suffix(target)
    if format is None or format.save is None:
        known = " ".join(each.suffixes[0] for each in FORMATS if each.save is not None)
        problem = f"can't be written in this format; take one of {known}"
        raise UserError("out", target, problem)
    if target.exists():
        if image not in (None, STREAM) and target.samefile(str(image)):
            raise UserError("out", target, "is the picture itself; name another file")
        if not overwrite:
            raise UserError("out", target, "exists; name another file, or pass --overwrite")
    if not target.parent.is_dir():
        raise UserError("out", target, "lies in a folder that does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        problem = f"can't be written ({error.strerror}); name another place with --out"
        raise UserError("out", target, problem) from error
