"""Pictures as files hold them, read to floats in [0, 1] and written back alike."""

import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from dip_jax.app.errors import UserError, printable
from dip_jax.app.files.atomic import replacing
from dip_jax.app.files.formats import (
    PNG,
    Contents,
    Format,
    Layout,
    Metadata,
    RefusedError,
    Source,
    find_format,
    format_of_suffix,
)
from dip_jax.app.files.formats.exif import fit_exif
from dip_jax.app.files.scale import Scale, find_scale, natural_scale

StrPath = str | os.PathLike[str]
SHOWN = (1, 3)  # channels of pictures that can be looked at
_HEAD = 64  # bytes that show a format
STREAM = "-"  # the path of standard input, and of standard output
_PIECE, _MOST_BYTES = 2**20, 2**32  # of what comes from standard input


class Origin(NamedTuple):
    """How a picture was stored, so that its result is stored alike."""

    format: Format
    dtype: np.dtype
    """Of its values."""
    scale: Scale
    """What they mean."""
    metadata: Metadata = Metadata()
    encoding: Mapping[str, Any] = {}
    layout: Layout = Layout()


ORIGIN = Origin(PNG, np.dtype(np.uint8), Scale(0, 255))
"""For a picture that came from no file."""


class Picture(NamedTuple):
    """A picture as read from a file."""

    image: np.ndarray
    """float32 ``[h, w, c]`` in [0, 1]; c is 1 (grey), 3 (RGB) or, in some formats, any number."""
    alpha: np.ndarray | None
    """``[h, w]``, the opacity in the file's own type, or None if the file has none."""
    holes: np.ndarray | None = None
    """bool ``[h, w]``, where the file holds no numbers (NaN, infinity), or None."""
    origin: Origin = ORIGIN
    remarks: tuple[str, ...] = ()
    """Remarks on the reading."""
    orientation: int = 1
    """Of EXIF or TIFF, by which the stored pixels were turned upright."""


def read_picture(
    path: StrPath,
    *,
    flag: str = "--image",
    page: int | str | None = None,
    like: Origin | None = None,
    scale: Scale | None = None,
    from_zero: bool = False,
) -> Picture:
    """Reads a picture file at its full depth, upright.

    Args:
      path: a file of one of :data:`dip_jax.app.files.formats.FORMATS`, or :data:`STREAM`.
      flag: the flag that named the file, for the message of an error.
      page: which page, frame or array of several, from 1 on or by its name; absent, the first.
      like: the origin of another picture of its kind, whose scale to use.
      scale: the values of black and white; absent, they are found.
      from_zero: whether 0 must stay 0, as in a kernel.

    Raises:
      UserError: if the file is missing, unreadable or damaged, or if it holds what would be
        changed silently by reading it.
    """
    with warnings.catch_warnings(action="ignore"), _open(path, flag) as file:
        head = file.read(_HEAD)
        file.seek(0)
        try:
            stored = Path(file.name)
            format = find_format(stored, head)
            contents = format.read(Source(stored, file, head, page))
        except RefusedError as error:
            raise UserError(flag, path, str(error)) from error
        except MemoryError as error:
            raise UserError(flag, path, "is too large to be read; crop it first") from error
    values, remarks = contents.pixels, list(contents.remarks)
    kind = values.dtype.kind
    if scale is not None:
        remarks += _note_range(values, scale)
    elif like is not None and (like.dtype == values.dtype or like.dtype.kind == kind == "f"):
        scale = like.scale
    else:
        scale = find_scale(values)
        if from_zero and scale.low > 0:
            scale = Scale(0, scale.high)
        if scale.high not in (1, 255, 65535) or scale.low != 0:
            words = f"{scale.low:.6g} to {scale.high:.6g}"
            remarks.append(f"has its values taken from {words}, the black and white of the fit")
    if (channels := values.shape[2]) not in SHOWN:
        shown = "their mean is" if channels == 2 else "the first three are"
        remarks.append(f"has {channels} channels: all are restored, {shown} shown")
    holes = None
    if kind == "f" and not np.isfinite(values).all():
        holes = np.asarray(~np.isfinite(values).all(axis=2))
    with np.errstate(all="ignore"):
        image = np.clip(scale.to_unit(values), 0, 1)
    if holes is not None:
        image[holes] = 0
    if not np.isfinite(image).all():
        problem = "holds values too large to be told apart; divide them by a number"
        raise UserError(flag, path, problem)
    origin = Origin(
        format,
        contents.pixels.dtype,
        scale,
        contents.metadata,
        contents.encoding,
        contents.layout,
    )
    lines = tuple(printable(f"{flag}={path} {remark}") for remark in remarks)
    return Picture(image, contents.alpha, holes, origin, lines, contents.orientation)


def _note_range(values: np.ndarray, scale: Scale) -> list[str]:
    """Returns remarks on a range that was given."""
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    outside = ((known < scale.low) | (known > scale.high)).mean() if known.size else 0
    if not outside:
        return []
    return [f"has {100 * outside:.3g} % of its values outside the range: they are clipped"]


def shown_channels(image: np.ndarray) -> np.ndarray:
    """Returns ``[h, w, 1 | 3]`` for display: the mean of two channels, the first three of more.

    Args:
      image: ``[h, w, c]``.
    """
    if image.shape[2] in SHOWN:
        return image
    return image.mean(axis=2, keepdims=True) if image.shape[2] == 2 else image[:, :, :3]


def write_picture(
    path: StrPath,
    image: np.ndarray,
    alpha: np.ndarray | None = None,
    origin: Origin = ORIGIN,
    *,
    strip: bool = False,
) -> tuple[str, ...]:
    """Writes a result as its picture came: in the same depth, with the same metadata.

    A file of that name is replaced whole or not at all.

    Args:
      path: where to.
      image: float ``[h, w, c]`` in [0, 1]; values outside are clipped.
      alpha: ``[h, w]`` to be stored as it is, or None.
      origin: what the picture's file was like.
      strip: whether to drop all metadata but the colour profile.

    Returns:
      What the format could not hold, in words.

    Raises:
      ValueError: if a shape is wrong, or a value is NaN.
      OSError: if the file can't be written.
    """
    path = Path(path)
    format = format_of_suffix(path)
    if format is None or format.save is None:
        raise ValueError(f"{path} should end in a suffix of a format that can be written")
    if image.ndim != 3:
        raise ValueError(f"expected an image [h, w, c], got {image.shape}")
    if np.isnan(image).any():
        raise ValueError("expected floats in [0, 1] without NaN")
    remarks = []
    if image.shape[2] not in SHOWN and not format.any_channels:
        kept = "their mean is" if image.shape[2] == 2 else "the first three are"
        remarks.append(f"{format.name} holds no {image.shape[2]} channels: {kept} written")
        image = shown_channels(image)
    dtype = _depth(origin.dtype, format)
    floats = dtype.kind == origin.dtype.kind == "f"
    counts = dtype.kind == "f" and np.can_cast(origin.dtype, dtype)
    scale = origin.scale if dtype == origin.dtype or floats or counts else natural_scale(dtype)
    pixels = scale.from_unit(image, dtype)
    stored = origin.encoding.get("stored")
    if origin.format.save is None:
        remarks.append(f"results are not written as {origin.format.name}: this is a {format.name}")
    elif stored is not None:
        remarks.append(f"the picture had {stored}, which can't hold the result: it has 8 bits now")
    if dtype != origin.dtype and np.dtype(bool) != origin.dtype:
        remarks.append(f"{format.name} does not hold {origin.dtype}: written as {dtype}")
    if alpha is not None:
        if format.holds_alpha:
            alpha = _convert_alpha(alpha, dtype)
        else:
            remarks.append(f"{format.name} holds no transparency: left out")
            alpha = None
    metadata = _suitable(origin.metadata, *pixels.shape)
    if strip:
        metadata = Metadata(icc=metadata.icc, colours=metadata.colours)
    kinds = {"colour profile": metadata.icc, "EXIF": metadata.exif, "XMP": metadata.xmp}
    lost = [kind for kind, data in kinds.items() if data]
    if lost and not format.holds_metadata:
        remarks.append(f"{format.name} holds no {' or '.join(lost)}: left out")
    contents = Contents(pixels, alpha, metadata, origin.encoding, origin.layout)
    with warnings.catch_warnings(action="ignore"), replacing(path) as partial:
        format.save(partial, contents)
    return tuple(remarks)


def _depth(dtype: np.dtype, format: Format) -> np.dtype:
    """Returns the type of values in which a format holds a result."""
    if dtype.name in format.depths:
        return dtype
    exact = [name for name in format.depths if np.can_cast(dtype, name)]
    return np.dtype([*exact, format.depths[-1]][0])


def _convert_alpha(alpha: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if alpha.dtype == dtype:
        return alpha
    unit = natural_scale(alpha.dtype).to_unit(alpha)
    return natural_scale(dtype).from_unit(unit, dtype)


def _suitable(metadata: Metadata, height: int, width: int, channels: int) -> Metadata:
    """Returns the metadata as they are true of a result of this shape."""
    icc, exif, dpi = metadata.icc, metadata.exif, metadata.dpi
    if icc is not None and (icc[16:20] == b"GRAY") != (channels == 1):  # of other channels
        icc = None
    if exif is not None:
        exif = fit_exif(exif, width, height, metadata.factor)
    if dpi is not None:
        dpi = (dpi[0] * metadata.factor, dpi[1] * metadata.factor)
    return metadata._replace(icc=icc, exif=exif, dpi=dpi)


def write_pixels(path: StrPath, pixels: np.ndarray) -> None:
    """Writes uint8 ``[h, w, 1 | 2 | 3 | 4]`` as a PNG; a file of that name is replaced whole."""
    grey = pixels.shape[2] == 1
    with replacing(Path(path)) as partial:
        Image.fromarray(pixels[:, :, 0] if grey else pixels).save(partial, format="PNG")


def _open(path: StrPath, flag: str) -> BinaryIO:
    """Opens a regular file that is not empty, or standard input as one."""
    if path == STREAM:
        return _spool(flag)
    problem = None
    try:
        info = os.stat(path)
        if stat.S_ISDIR(info.st_mode):
            problem = "is a folder; name one picture file"
        elif not stat.S_ISREG(info.st_mode):
            problem = "is not a regular file; name one picture file"
        elif info.st_size == 0:
            problem = "is an empty file; save or download it again"
        else:
            return open(path, "rb")
    except FileNotFoundError:
        problem = "does not exist; check the path"
    except PermissionError:
        problem = "may not be read by you; change its permissions or copy it"
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        problem = f"cannot be opened ({error}); check the path"
    raise UserError(flag, path, problem)


def read_head(path: Path) -> bytes:
    """Returns the first bytes of a file, which tell its format."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def _spool(flag: str) -> BinaryIO:
    """Returns what comes from standard input, as a file that is deleted when closed."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError(flag, STREAM, "is standard input, into which no picture is piped")
    file = tempfile.NamedTemporaryFile(prefix="dip-jax-")  # noqa: SIM115
    problem, size = None, 0
    try:
        while piece := sys.stdin.buffer.read(_PIECE):
            size += file.write(piece)
            if size > _MOST_BYTES:
                problem = "gave more than 4 GB; scale the picture down or crop it first"
                break
    except (OSError, ValueError) as error:
        problem = f"can't be read ({error}); pipe a picture into it"
    if problem is None and size:
        file.flush()  # some formats open it by its name
        file.seek(0)
        return file  # type: ignore[return-value]
    file.close()
    problem = problem or "gave nothing: the program that writes the picture to it has failed"
    raise UserError(flag, STREAM, problem)
