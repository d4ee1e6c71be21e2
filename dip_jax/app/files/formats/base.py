"""What a file format is to the application, and what a picture file holds."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAX_PIXELS = 64_000_000
_LONGEST = 80  # of what is told of a decoder's words
TOO_LARGE = "has more than 64 megapixels; scale it down or crop it first"
AS_PNG = "a PNG or a TIFF"
AS_NPY = "a .npy array"
AS_ANY = "a PNG, a TIFF or a .npy array"


class RefusedError(Exception):
    """A file that can't be read faithfully: what is wrong with it, and the mend."""


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
    page: int | None
    """The page or frame that is wanted, from 1 on; None for the first."""


class Metadata(NamedTuple):
    """What a file says besides its pixels, as the picture lies upright."""

    icc: bytes | None = None
    """The colour profile."""
    exif: bytes | None = None
    """A TIFF structure, without the mark ``Exif``."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    tags: tuple[tuple[int, int, int, Any], ...] = ()
    """Tags of a TIFF: code, type, count, value."""
    comment: bytes | None = None
    """Of a JPEG."""
    settings: str | None = None
    """What made the picture, in ASCII; written where nothing else has that place."""


class Layout(NamedTuple):
    """How an array's axes differ from ``[h, w, c]``."""

    leading: int = 0
    """Axes of length 1 in front."""
    channels_first: bool = False
    flat: bool = False
    """Whether there is no axis of channels."""


class Contents(NamedTuple):
    """A decoded picture, upright."""

    pixels: np.ndarray
    """``[h, w, 1 | 3]`` in the file's own depth."""
    alpha: np.ndarray | None = None
    """``[h, w]``, the opacity, in the file's own depth."""
    metadata: Metadata = Metadata()
    encoding: Mapping[str, Any] = {}
    """How the file's format stored it, such as the quality of a JPEG."""
    layout: Layout = Layout()
    remarks: tuple[str, ...] = ()
    """What is to be said of the reading, each to follow the file's name."""


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
    by_name: bool = False
    """Whether a file's suffix decides, since its first bytes may be another format's."""


def begins(*marks: bytes) -> Callable[[bytes], bool]:
    """Returns a test for files that begin with one of these marks."""
    return lambda head: head.startswith(marks)


def choose_page(wanted: int | None, count: int, kind: str) -> tuple[int, tuple[str, ...]]:
    """Returns the index of the page to read, and what is to be said of it.

    Raises:
      RefusedError: if there are not so many.
    """
    if not 1 <= (wanted or 1) <= count:
        if count == 1:
            raise RefusedError(f"has one {kind} only; drop --page")
        raise RefusedError(f"has {count} {kind}s; choose --page from 1 to {count}")
    if wanted is None and count > 1:
        return 0, (f"has {count} {kind}s: the first is taken (--page=N takes another)",)
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
