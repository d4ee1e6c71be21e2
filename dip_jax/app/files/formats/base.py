"""The records of a file format, and of what a picture file holds."""

import contextlib
import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAX_PIXELS = 64_000_000
_LONGEST = 80  # characters of a decoder's message that are shown
TOO_LARGE = "has more than 64 megapixels; scale it down or crop it first"
AS_PNG = "a PNG or a TIFF"
AS_NPY = "a .npy array"
MAX_CHANNELS = 256
_SHOWN = 8  # names in a line
AS_ANY = "a PNG, a TIFF or a .npy array"


class RefusedError(Exception):
    """A file that can't be read faithfully: what is wrong with it, and the fix."""


def brief(error: Exception) -> str:
    """Returns what a decoder says of a file, as far as it fits a line: it may quote the file."""
    words = (str(error) or type(error).__name__).splitlines()[0]
    plain = "".join(itertools.takewhile(str.isprintable, words))
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."


@contextlib.contextmanager
def refusing_damage() -> Iterator[None]:
    """Turns what a decoder raises for a damaged file, nearly any type, into a RefusedError."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:
        problem = f"is damaged or cut short ({brief(error)}); save or download it again"
        raise RefusedError(problem) from error


class Source(NamedTuple):
    """A file to read."""

    path: Path
    file: BinaryIO
    """Open, at its beginning."""
    head: bytes
    """Its first bytes."""
    page: int | str | None
    """The page, frame or array that is wanted, from 1 on or by name; None for the first."""


class Metadata(NamedTuple):
    """Metadata of a picture file, adjusted to the upright picture."""

    icc: bytes | None = None
    """The colour profile."""
    exif: bytes | None = None
    """A TIFF structure, without the mark ``Exif``."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    """The records of a picture agency: title, credit, keywords."""
    tags: tuple[tuple[int, int, int, Any], ...] = ()
    """Tags of a TIFF: code, type, count, value."""
    texts: tuple[tuple[bytes, bytes], ...] = ()
    """Chunks of a PNG that hold text: kind, data."""
    colours: tuple[tuple[bytes, bytes], ...] = ()
    """Chunks of a PNG that say what its colours mean, as a profile does."""
    header: Any = None
    """Of a FITS image; the attributes of an HDF5 dataset."""
    comment: bytes | None = None
    """Of a JPEG."""
    settings: str | None = None
    """What made the picture, in ASCII; written where nothing else has that place."""
    factor: int = 1
    """By which the picture was enlarged: its pixels are smaller by it than its file says."""


class Layout(NamedTuple):
    """How an array's axes differ from ``[h, w, c]``."""

    leading: int = 0
    """Axes of length 1 in front."""
    channels_first: bool = False
    flat: bool = False
    """Whether there is no axis of channels."""
    known: bool = False
    """Whether the picture was read from an array at all."""


class Contents(NamedTuple):
    """A decoded picture, upright."""

    pixels: np.ndarray
    """``[h, w, c]`` in the file's own depth."""
    alpha: np.ndarray | None = None
    """``[h, w]``, the opacity, in the file's own depth."""
    metadata: Metadata = Metadata()
    encoding: Mapping[str, Any] = {}
    """How the file's format stored it, such as the quality of a JPEG."""
    layout: Layout = Layout()
    orientation: int = 1
    """Of EXIF or TIFF (1 to 8), by which the stored pixels were turned."""
    remarks: tuple[str, ...] = ()
    """Remarks on the reading, each to follow the file's name."""


class Format(NamedTuple):
    """A file format."""

    name: str
    suffixes: tuple[str, ...]
    """The first is the usual one."""
    matches: Callable[[bytes], bool]
    """Whether a file with these first bytes is one."""
    read: Callable[[Source], Contents]
    """Raises a RefusedError for what can't be read faithfully."""
    save: Callable[[Path, Contents], None] | None = None
    """None if results are written as PNG instead."""
    depths: tuple[str, ...] = ("uint8",)
    """The types of values that it holds, the shallowest first."""
    holds_alpha: bool = True
    holds_metadata: bool = False
    """Whether it has a place for a colour profile, EXIF and XMP."""
    any_channels: bool = False
    """Whether it holds other pictures than grey and RGB."""
    by_name: bool = False
    """Whether a file's suffix decides, since its first bytes may be another format's."""
    extra: tuple[str, str] | None = None
    """The package that it needs, and the extra of this project that installs it."""
    lossy: bool = False
    """Whether it smears sharp edges."""


def need(package: str, kind: str, extra: str, other: str = AS_PNG) -> Any:
    """Returns a package, or raises a RefusedError that names the extra.

    Args:
      package: to be imported.
      kind: of files that need it.
      extra: of this project, that installs it.
      other: what the file may be saved as instead.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        mend = f"pip install 'dip-jax[{extra}]' reads it, or save it as {other}"
        raise RefusedError(f"is {kind}, which needs a package of its own; {mend}") from error


def begins(*marks: bytes) -> Callable[[bytes], bool]:
    """Returns a test for files that begin with one of these marks."""
    return lambda head: head.startswith(marks)


def choose_page(
    wanted: int | str | None, count: int, kind: str, names: Sequence[str] = ()
) -> tuple[int, tuple[str, ...]]:
    """Returns the index of the page to read, and remarks on it.

    Args:
      wanted: its number, from 1 on, or its name.
      count: how many there are.
      kind: what a page is called.
      names: theirs, if they have any.

    Raises:
      RefusedError: if there is no such page.
    """
    shown = ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
    if isinstance(wanted, str):
        if wanted in names:
            return names.index(wanted), ()
        if names:
            raise RefusedError(f"has no {kind} {wanted}; choose --page from {shown}")
        raise RefusedError(f"has {kind}s without names; choose --page from 1 to {count}")
    if not 1 <= (wanted or 1) <= count:
        if count == 1:
            raise RefusedError(f"has one {kind} only; drop --page")
        raise RefusedError(f"has {count} {kind}s; choose --page from 1 to {count}")
    if wanted is None and count > 1:
        first = f"{names[0]} is" if names else "the first is"
        other = f"--page=NAME takes another: {shown}" if names else "--page=N takes another"
        return 0, (f"has {count} {kind}s: {first} taken, and alone in the result ({other})",)
    return (wanted or 1) - 1, ()


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns ``[h, w, ...]`` as the orientation of EXIF and TIFF (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
