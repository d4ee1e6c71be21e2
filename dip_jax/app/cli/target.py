"""Where a picture's result goes: to a file that is named, or beside the picture, or a folder."""

import importlib.util
import os
import tempfile
from pathlib import Path

from dip_jax.app.cli.request import Request
from dip_jax.app.errors import UserError
from dip_jax.app.files import Origin
from dip_jax.app.files.formats import FORMATS, PNG, format_of_suffix


def names_file(out: str | None) -> bool:
    """Whether ``--out`` means a picture file."""
    if out is None or out.endswith(("/", os.sep)) or os.path.isdir(out):
        return False
    return format_of_suffix(Path(out)) is not None


def find_target(request: Request, origin: Origin) -> Path | None:
    """Returns the file to write, checked; None if the results go to a folder.

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
    _check(target, image, overwrite=request.overwrite)
    return target


def _suffix(source: Path, origin: Origin) -> str:
    """Returns the suffix of a result beside its picture: the same, if its format can hold it."""
    if origin.format.save is None:
        return PNG.suffixes[0]
    named = format_of_suffix(source)
    return source.suffix if named == origin.format else origin.format.suffixes[0]


def _check(target: Path, image: str | None, *, overwrite: bool) -> None:
    """Raises a UserError if the file should not or can't be written."""
    format = format_of_suffix(target)
    if format is None or format.save is None:
        known = " ".join(each.suffixes[0] for each in FORMATS if each.save is not None)
        problem = f"can't be written in this format; take one of {known}"
        raise UserError("out", target, problem)
    if format.extra is not None and importlib.util.find_spec(format.extra[0]) is None:
        problem = f"needs a package of its own: pip install 'dip-jax[{format.extra[1]}]'"
        raise UserError("out", target, problem)
    if target.exists():
        if image is not None and target.samefile(image):
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
