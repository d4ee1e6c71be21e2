"""Formats that need a package which only an extra of this project installs."""

from collections.abc import Callable

import numpy as np

from dip_jax.app.files.formats.base import (
    MAX_PIXELS,
    TOO_LARGE,
    Contents,
    Metadata,
    RefusedError,
    Source,
    brief,
    need,
    refusing_damage,
)
from dip_jax.app.files.formats.exif import read_exif
from dip_jax.app.files.formats.pillow import decode, opened, read_8_bit

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF = (b"avif", b"avis")
_ORIENTATION = 274  # a tag of EXIF
JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


def is_brand(brands: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    """Returns a test for ISO media files of these brands."""
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def read_heic(source: Source) -> Contents:
    """Reads a HEIC, as phones take them."""
    heif = need("pillow_heif", "a HEIC picture", "heic")
    with refusing_damage():
        bits = heif.open_heif(source.path, convert_hdr_to_8bit=False).info.get("bit_depth", 8)
        heif.register_heif_opener()
        _refuse_deep(bits)
        return read_8_bit(source, "HEIF")


def read_avif(source: Source) -> Contents:
    """Reads an AVIF of 8 bits."""
    head = source.file.read(65536)
    at = head.find(b"av1C")
    if at >= 0 and len(head) > at + 6:
        _refuse_deep(10 if head[at + 6] & 0x40 else 8)
    return read_8_bit(source, "AVIF")


def _refuse_deep(bits: int) -> None:
    if bits > 8:
        mend = "save it as a 16-bit PNG or TIFF"
        raise RefusedError(f"has {bits} bits a channel, which would be cut to 8; {mend}")


def read_jxl(source: Source) -> Contents:
    """Reads a JPEG XL."""
    need("pillow_jxl", "a JPEG XL picture", "jxl")
    with opened(source, "JXL") as image:
        if not getattr(image, "jpeg", False):  # made of a JPEG, whose pixels are not turned yet
            image.getexif().pop(_ORIENTATION, None)
        return decode(image)


def read_raw(source: Source) -> Contents:
    """Develops a camera's raw file to 16 bits, as imageio's rawpy does by default."""
    need("rawpy", "a camera's raw file", "raw")
    import imageio.v3 as iio

    try:
        pixels = iio.imread(source.path, plugin="rawpy", output_bps=16)
    except Exception as error:  # damaged files make it raise nearly any type
        problem = f"can't be developed ({brief(error)}); develop it to a 16-bit TIFF"
        raise RefusedError(problem) from error
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise RefusedError(TOO_LARGE)
    remark = "is a raw file: developed with its camera's white balance, to 16 bits"
    metadata = Metadata(exif=read_exif(source.file))
    return Contents(np.ascontiguousarray(pixels), metadata=metadata, remarks=(remark,))
