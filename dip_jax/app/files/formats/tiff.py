"""TIFF: of 8 bits by Pillow, which knows most kinds; deeper ones by imageio's tifffile."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dip_jax.app.files.formats.base import (
    AS_PNG,
    MAX_CHANNELS,
    MAX_PIXELS,
    TOO_LARGE,
    Contents,
    Metadata,
    RefusedError,
    Source,
    choose_page,
    refusing_damage,
    upright,
)
from dip_jax.app.files.formats.pillow import decode, opened
from dip_jax.app.files.formats.tags import add_exif, read_tags, tag_options

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # errors alone should tell faults

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
DEPTHS = ("uint8", "uint16", "int16", "float16", "float32", "uint32", "int32", "float64")
_ORIENTATION = 274
_BIG = 2**31  # bytes, from which on a file may become a BigTIFF
# What Pillow's decoders know: none, CCITT, LZW, JPEG, deflate, PackBits.
_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
_DEEP_COLOURS = {0: "white is zero", 1: "black is zero", 2: "RGB"}
_RAW = 32803  # a sensor's colour filters
# Pillow's decoders of the high bytes and the low ones, by channels and byte order.
_HALVES = {
    3: ("RGB;16B", "RGB;16L"),
    4: ("RGBA;16B", "RGBA;16L"),
}
_STDERR, _HUSH = 2, threading.Lock()  # of the process: one thread at a time


def read_tiff(source: Source) -> Contents:
    """Reads a page of a TIFF at its full depth."""
    import tifffile  # a tenth of a second to import

    with refusing_damage():
        source.file.seek(0)
        with tifffile.TiffFile(source.file) as tiff:
            stored: Any = tiff.pages
            count = len(stored)  # ends where pages point at earlier ones; iteration does not
            pages = [stored[number] for number in range(count)]
            pages = [page for page in pages if not page.is_reduced] or pages
            index, remarks = choose_page(source.page, len(pages), "page")
            page = pages[index].aspage()
            _check(page)
            metadata = read_tags(page)
            deep = page.bitspersample > 8 or page.dtype.kind != "u" or _has_channels(page)
            if not deep and int(page.compression) in _PILLOW:
                return _read_8_bit(source, page, metadata, remarks)
            return _read_deep(source, page, metadata, remarks)


def _has_channels(page: Any) -> bool:
    """Whether it has channels that are neither colours nor alpha."""
    samples = page.samplesperpixel
    if int(page.photometric) == 1 and samples in (2, 4):
        return not any(int(extra) for extra in page.extrasamples)  # 0 is of no known meaning
    return samples not in (1, 3, 4) and int(page.photometric) in (0, 1, 2)


@contextlib.contextmanager
def _opened(source: Source, page: Any) -> Iterator[Image.Image]:
    """Opens a page with Pillow, whose libtiff is kept quiet."""
    quiet = contextlib.nullcontext() if int(page.compression) == 1 else _hushed()
    with quiet, opened(source, "TIFF") as image:
        image.seek(page.index)
        yield image


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keeps libtiff from writing to stderr, behind Python's back, what an error tells anyway.

    Pillow leaves no other way, and tifffile alone knows no LZW, JPEG or fax. What other threads
    say in this moment is lost too, so that only files which libtiff decodes are read like this.
    """
    with _HUSH:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _check(page: Any) -> None:
    """Raises a RefusedError for what the headers show to be no picture for us."""
    if page.imagewidth * page.imagelength * page.imagedepth > MAX_PIXELS:
        raise RefusedError(TOO_LARGE)
    if page.dtype is None:
        problem = f"has {page.bitspersample} bits a channel in a way that is not supported"
        raise RefusedError(f"{problem}; save it as {AS_PNG}")
    if int(page.photometric) == _RAW:
        raise RefusedError("holds a sensor's raw data; develop it to a 16-bit TIFF first")


def _read_8_bit(
    source: Source, page: Any, metadata: Metadata, remarks: tuple[str, ...]
) -> Contents:
    with _opened(source, page) as image:
        contents = decode(image, remarks)
    return contents._replace(metadata=metadata)


def _read_deep(source: Source, page: Any, metadata: Metadata, remarks: tuple[str, ...]) -> Contents:
    photometric = int(page.photometric)
    if photometric not in _DEEP_COLOURS:
        name = getattr(page.photometric, "name", photometric)
        raise RefusedError(f"has {name} colours, which are not supported; save it as an RGB TIFF")
    if page.samplesperpixel > MAX_CHANNELS:
        problem = (
            f"has {page.samplesperpixel} channels, more than {MAX_CHANNELS}; save some of them"
        )
        raise RefusedError(problem)
    pixels = _decode(source, page)
    if photometric == 0:
        most = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
        pixels = most - pixels
        remarks = (*remarks, "has white as zero: turned about")
    tag = page.tags.get(_ORIENTATION)
    orientation = 1 if tag is None else int(tag.value)
    pixels = upright(pixels, orientation)
    alpha = None
    if pixels.shape[2] in (2, 4) and not _has_channels(page):
        alpha, pixels = np.ascontiguousarray(pixels[:, :, -1]), pixels[:, :, :-1]
    encoding = {"compressed": int(page.compression) != 1}
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return Contents(pixels, alpha, metadata, encoding, orientation=orientation, remarks=remarks)


def _decode(source: Source, page: Any) -> np.ndarray:
    """Returns ``[h, w, c]`` as stored."""
    import imageio.v3 as iio

    try:
        source.file.seek(0)  # not by its name, in which imageio sees addresses and archives
        pixels = iio.imread(source.file, plugin="tifffile", index=None, page=page.index)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _decode_with_pillow(source, page)
    if "S" in page.axes and page.axes.index("S") == 0:
        pixels = np.moveaxis(pixels, 0, -1)  # planes one after the other
    return pixels.reshape(page.imagelength, page.imagewidth, -1)


def _decode_with_pillow(source: Source, page: Any) -> np.ndarray:
    """Returns pixels whose compression tifffile alone does not know, above all LZW."""
    channels, dtype = page.samplesperpixel, page.dtype
    name = getattr(page.compression, "name", page.compression)
    mend = "pip install 'dip-jax[tiff]' reads it, or save it with deflate or without compression"
    refused = RefusedError(f"is compressed by {name}, which needs a package of its own; {mend}")
    if int(page.compression) not in _PILLOW or int(page.planarconfig) != 1:
        raise refused
    if channels == 1 and dtype in (np.uint16, np.int32, np.float32):
        halves: tuple[str | None, ...] = (None,)
    elif dtype == np.uint16 and channels in _HALVES:
        halves = _HALVES[channels]
    else:
        raise refused
    parts = []
    for raw in halves:
        with _opened(source, page) as image:
            if raw is not None:
                image.tile = [  # type: ignore[attr-defined]
                    tile._replace(args=(_native(raw, tile), *tile.args[1:]))
                    for tile in image.tile  # type: ignore[attr-defined]
                ]
            image.load()
            parts.append(np.asarray(image).reshape(image.height, image.width, -1))
    if len(parts) == 1:
        return parts[0].astype(dtype)
    return parts[0].astype(np.uint16) << 8 | parts[1]


def _native(raw: str, tile: Any) -> str:
    """Returns the decoder, the bytes exchanged where libtiff has put them in our own order."""
    if tile.codec_name != "libtiff":
        return raw
    exchanged = {"B": "L", "L": "B"}
    return raw if sys.byteorder == "big" else raw[:-1] + exchanged[raw[-1]]


def save_tiff(path: Path, contents: Contents) -> None:
    """Writes a TIFF, compressed if the file that was read was."""
    import imageio.v3 as iio

    pixels, colours = contents.pixels, contents.pixels.shape[2]
    if contents.alpha is not None:
        pixels = np.concatenate([pixels, contents.alpha[:, :, None]], axis=2, casting="no")
    if pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    metadata = contents.metadata
    if pixels.nbytes >= _BIG:
        metadata = metadata._replace(exif=None)
    data = iio.imwrite(
        "<bytes>",
        pixels,
        plugin="tifffile",
        extension=".tif",
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig="contig" if pixels.ndim == 3 else None,
        extrasamples=None if contents.alpha is None else ["unassalpha"],
        compression="zlib" if contents.encoding.get("compressed") else None,
        **tag_options(metadata, pixels.shape),
    )
    path.write_bytes(data if metadata.exif is None else add_exif(data, metadata.exif))
