"""PNG, at 16 bits a channel too, which Pillow cuts to 8 if there is more than one channel."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dip_jax.app.files.formats.base import Contents, Metadata, RefusedError, Source
from dip_jax.app.files.formats.pillow import (
    as_image,
    opened,
    read_8_bit,
    read_metadata,
    told,
    turn,
)

Chunks = tuple[tuple[bytes, bytes], ...]

MARK = b"\x89PNG\r\n\x1a\n"
SETTINGS = "dip-jax"  # the keyword of the text that holds them
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
# Pillow's decoders that give the high bytes and the low ones, by the colour type of the file.
_HALVES = {2: ("RGB;16B", "RGB;16L"), 6: ("RGBA;16B", "RGBA;16L")}
_GREY_ALPHA = 4
_PIXELS = b"IDAT"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLOUR_SPACES = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_CHECK = 4  # bytes of the checksum at the end of a chunk
# Texts that hold the settings of a run, or what is read from them and rewritten.
_KEPT_ELSEWHERE = tuple(
    f"{keyword}\0".encode() for keyword in (SETTINGS, "XML:com.adobe.xmp", "Raw profile type exif")
)
_METRE = 0.0254  # an inch, in metres


def read_png(source: Source) -> Contents:
    """Reads a PNG at its full depth."""
    deep = len(source.head) >= 26 and source.head[24] == 16
    contents = _read_16_bit(source, source.head[25]) if deep else read_8_bit(source, "PNG")
    texts, colours = _read_chunks(source)
    return contents._replace(metadata=contents.metadata._replace(texts=texts, colours=colours))


def _read_chunks(source: Source) -> tuple[Chunks, Chunks]:
    """Returns the texts of a PNG that was decoded, and what says what its colours mean.

    Raises:
      RefusedError: if a checksum is wrong; Pillow does not look at those of the pixels.
    """
    texts, colours = [], []
    source.file.seek(len(MARK))
    while len(start := source.file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind == _PIXELS:
            if zlib.crc32(kind + source.file.read(length)) != _read_check(source):
                problem = "is damaged or cut short (wrong checksum of its pixels)"
                raise RefusedError(f"{problem}; save or download it again")
            continue
        if kind in _TEXTS + _COLOUR_SPACES:
            data = source.file.read(length)
            if kind in _COLOUR_SPACES:
                colours.append((kind, data))
            elif not data.startswith(_KEPT_ELSEWHERE):
                texts.append((kind, data))
            length = 0
        source.file.seek(length + _CHECK, os.SEEK_CUR)
    return tuple(texts), tuple(colours)


def _read_check(source: Source) -> int:
    """Returns the checksum at the end of a chunk; -1 if the file ends before."""
    data = source.file.read(_CHECK)
    return int.from_bytes(data) if len(data) == _CHECK else -1


def _read_16_bit(source: Source, colour: int) -> Contents:
    alpha = None
    if colour in _HALVES:
        high, info, orientation = _decode(source, _HALVES[colour][0])
        low, _, _ = _decode(source, _HALVES[colour][1])
        pixels = high.astype(np.uint16) << 8 | low
    elif colour == _GREY_ALPHA:  # four bytes a pixel, as RGBA of 8 bits has
        halves, info, orientation = _decode(source, "RGBA")
        pixels = halves[:, :, ::2].astype(np.uint16) << 8 | halves[:, :, 1::2]
    else:
        pixels, info, orientation = _decode(source, None)
        pixels = pixels[:, :, None].astype(np.uint16)
    if pixels.shape[2] in (2, 4):
        alpha, pixels = pixels[:, :, -1], pixels[:, :, :-1]
    elif "transparency" in info.info:  # one colour of them all
        hidden = (pixels == np.array(info.info["transparency"])).all(axis=2)
        alpha = np.where(hidden, 0, 65535).astype(np.uint16)
    return Contents(
        np.ascontiguousarray(pixels), alpha, read_metadata(info), orientation=orientation
    )


def _decode(source: Source, raw: str | None) -> tuple[np.ndarray, Image.Image, int]:
    """Returns what a decoder of Pillow's makes of the file, upright, and how it lay."""
    with opened(source, "PNG") as image:
        if getattr(image, "n_frames", 1) > 1:
            raise RefusedError("is an animation of 16 bits; save one of its frames as a PNG")
        if raw is not None:
            image.tile = [tile._replace(args=raw) for tile in image.tile]  # type: ignore[attr-defined]
        orientation = turn(image)
        return np.asarray(image), image, orientation


def save_png(path: Path, contents: Contents) -> None:
    """Writes a PNG of 8 or 16 bits a channel."""
    if contents.pixels.dtype == np.uint16:
        path.write_bytes(_encode_16_bit(contents))
        return
    options = told(contents.metadata, "icc_profile", "exif", "dpi")
    info = options["pnginfo"] = PngInfo()
    for kind, data in _list_chunks(contents.metadata):
        info.add(kind, data)
    as_image(contents).save(path, format="PNG", **options)


def _list_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Returns the chunks of the colours' meaning and of texts."""
    chunks = [chunk for chunk in metadata.colours if chunk[0] != b"sRGB" or metadata.icc is None]
    chunks += metadata.texts
    if metadata.settings is not None:
        text = f"{SETTINGS}\0{metadata.settings}"
        chunks.append((b"tEXt", text.encode("latin-1", "replace")))
    if metadata.xmp is not None:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    return chunks


def _encode_16_bit(contents: Contents) -> bytes:
    pixels = contents.pixels
    if contents.alpha is not None:
        pixels = np.concatenate([pixels, contents.alpha[:, :, None]], axis=2, casting="no")
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOURS[channels], 0, 0, 0)
    rows = _filter(pixels.astype(">u2").reshape(height, -1).view(np.uint8), 2 * channels)
    body = [_chunk(b"IHDR", header), *_told(contents.metadata)]
    return MARK + b"".join([*body, _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")])


def _told(metadata: Metadata) -> list[bytes]:
    """Returns the chunks of the metadata."""
    chunks = [_chunk(kind, data) for kind, data in _list_chunks(metadata)]
    if metadata.icc is not None:
        chunks.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi is not None:
        per_metre = [round(value / _METRE) for value in metadata.dpi]
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if metadata.exif is not None:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    return chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def _filter(rows: np.ndarray, pixel: int) -> bytes:
    """Returns rows of bytes as PNG stores them: of its five filters, the smallest for each."""
    here = rows.astype(np.int16)
    left = np.pad(here, ((0, 0), (pixel, 0)))[:, :-pixel]
    above = np.pad(here, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(left, ((1, 0), (0, 0)))[:-1]
    to_left = abs(above - corner)
    to_above = abs(left - corner)
    to_corner = abs(left + above - 2 * corner)
    nearest = np.where(to_above <= to_corner, above, corner)
    paeth = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
    guesses = (np.zeros_like(here), left, above, (left + above) // 2, paeth)
    filtered = np.stack([(here - guess).astype(np.uint8) for guess in guesses])
    sizes = abs(filtered.view(np.int8).astype(np.int32)).sum(axis=2)
    best = sizes.argmin(axis=0)
    chosen = filtered[best, np.arange(len(rows))]
    return np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()
