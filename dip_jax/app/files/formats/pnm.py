"""PGM and PPM, of 8 and 16 bits; Pillow cuts 16-bit colours to 8."""

import re
from pathlib import Path

import numpy as np

from dip_jax.app.files.formats.base import MAX_PIXELS, TOO_LARGE, Contents, RefusedError, Source

_BLANK = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([2356])%s(\d{1,9})%s(\d{1,9})%s(\d{1,5})\s" % ((_BLANK,) * 3))
_LONGEST = 65536  # of a header, with its comments


def read_pnm(source: Source) -> Contents:
    """Reads a grey or RGB picture, binary or as text."""
    data = source.file.read(_LONGEST)
    header = _HEADER.match(data)
    if header is None:
        raise RefusedError("is damaged (no whole header); save or download it again")
    kind, width, height, most = (int(group) for group in header.groups())
    channels = 3 if kind in (3, 6) else 1
    if width * height > MAX_PIXELS:
        raise RefusedError(TOO_LARGE)
    count = width * height * channels
    if not count or not 0 < most < 65536:
        raise RefusedError("is damaged (no pixels, or no values); save or download it again")
    dtype = np.dtype("u1" if most < 256 else ">u2")
    body = data[header.end() :] + source.file.read()
    if kind in (5, 6):
        values = np.frombuffer(body, dtype, min(count, len(body) // dtype.itemsize))
    else:
        words = re.sub(rb"#[^\r\n]*", b"", body).split()[:count]
        values = np.array([int(word) for word in words if word.isdigit()])
    if len(values) < count or values.max() > most:
        raise RefusedError("is damaged or cut short; save or download it again")
    pixels = values.reshape(height, width, channels)
    natural = 255 if most < 256 else 65535
    if most != natural:  # other programs stretch it alike
        pixels = np.rint(pixels * (natural / most))
    return Contents(pixels.astype(dtype.newbyteorder("=")))


def save_pnm(path: Path, contents: Contents) -> None:
    """Writes a binary PGM or PPM."""
    pixels = contents.pixels
    height, width, channels = pixels.shape
    kind, most = 5 if channels == 1 else 6, np.iinfo(pixels.dtype).max
    stored = pixels.astype(pixels.dtype.newbyteorder(">"))
    path.write_bytes(b"P%d\n%d %d\n%d\n" % (kind, width, height, most) + stored.tobytes())
