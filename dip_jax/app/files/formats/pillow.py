"""Formats that Pillow reads and writes at their full depth, its headers checked first."""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from dip_jax.app.files.formats.base import (
    AS_ANY,
    AS_PNG,
    MAX_PIXELS,
    TOO_LARGE,
    Contents,
    Metadata,
    RefusedError,
    Source,
    brief,
    choose_page,
)
from dip_jax.app.files.formats.exif import MARK, check_exif

# Pillow logs some faults of a file before it raises; the error alone should tell them.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
_XMP = ("xmp", "XML:com.adobe.xmp")
_RAW_EXIF = "Raw profile type exif"  # of PNG, before it had a place for EXIF
_LEAST_QUALITY = 90
_IPTC, _LONGEST_MARKER = 0x0404, 65000  # of Photoshop's resources; bytes
_ORIENTATION = 274  # a tag


@contextlib.contextmanager
def opened(source: Source, *formats: str) -> Iterator[Image.Image]:
    """Opens a file with Pillow, its size checked before a pixel is decoded.

    Raises:
      RefusedError: if it is too large, damaged, or none of these formats.
    """
    source.file.seek(0)
    try:
        with Image.open(source.file, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RefusedError(TOO_LARGE)
            yield image
    except RefusedError:
        raise
    except UnidentifiedImageError as error:
        mend = f"save it as {AS_ANY}"
        raise RefusedError(f"is not a picture that can be read; {mend}") from error
    except Image.DecompressionBombError as error:
        raise RefusedError(TOO_LARGE) from error
    except Exception as error:  # damaged files make Pillow raise nearly any type
        if "nsupported" in str(error):
            problem = f"is of a kind that is not supported ({brief(error)}); save it as {AS_PNG}"
        else:
            problem = f"is damaged or cut short ({brief(error)}); save or download it again"
        raise RefusedError(problem) from error


def turn(image: Image.Image) -> int:
    """Decodes a picture and turns it upright, in place; returns its orientation.

    Its EXIF data still tell that.
    """
    orientation = 1
    if image.format == "PNG":  # where getexif loads the pixels: their errors must not be lost
        image.load()
    with contextlib.suppress(Exception):  # broken EXIF data are no obstacle
        orientation = int(image.getexif().get(_ORIENTATION, 1))  # before TIFF's is dropped
    image.load()
    kept = image.info.get("exif")
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    if kept is not None:  # else rewritten, in which letters beyond ASCII are lost
        image.info["exif"] = kept
    return orientation if orientation in range(1, 9) else 1


def read_8_bit(source: Source, *formats: str) -> Contents:
    """Reads a picture of at most 8 bits: grey or RGB, with alpha or without."""
    with opened(source, *formats) as image:
        remarks: tuple[str, ...] = ()
        if image.format != "MPO":
            page, remarks = choose_page(source.page, getattr(image, "n_frames", 1), "frame")
            image.seek(page)
        return decode(image, remarks)


def decode(image: Image.Image, remarks: tuple[str, ...] = ()) -> Contents:
    """Returns what an open picture of at most 8 bits holds."""
    if image.mode not in _MODES:
        problem = f"has {image.mode} colours, which are not supported; save it as an RGB PNG"
        raise RefusedError(problem)
    encoding = _quality(image)
    orientation = turn(image)
    metadata = read_metadata(image)
    stored = image.mode
    if stored == "CMYK":
        image, said = _convert_cmyk(image)
        metadata = metadata._replace(icc=None)
        remarks = (*remarks, said)
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    converted = image.convert(mode + "A" * image.has_transparency_data)
    pixels = np.asarray(converted).reshape(converted.height, converted.width, -1)
    alpha = None
    if pixels.shape[2] in (2, 4):
        alpha = np.ascontiguousarray(pixels[:, :, -1])
        pixels = pixels[:, :, :-1]
    if stored in ("P", "PA") and (pixels == pixels[:, :, :1]).all():  # a palette of greys
        pixels = pixels[:, :, :1]
    if stored in ("P", "PA", "1"):
        kind = "1 bit a pixel" if stored == "1" else "a palette"
        encoding |= {"stored": kind}
    return Contents(
        np.ascontiguousarray(pixels),
        alpha,
        metadata,
        encoding,
        orientation=orientation,
        remarks=remarks,
    )


def read_metadata(image: Image.Image) -> Metadata:
    """Returns what an upright picture says besides its pixels."""
    info = image.info
    exif = info.get("exif")
    if exif is None and _RAW_EXIF in info:
        exif = image.getexif().tobytes()
    xmp = next((info[name] for name in _XMP if name in info), None)
    dpi = info.get("dpi")
    return Metadata(
        icc=info.get("icc_profile"),
        exif=check_exif(exif),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=None if dpi is None else (float(dpi[0]), float(dpi[1])),
        iptc=_find_iptc(info.get("photoshop")),
        comment=info.get("comment") if isinstance(image, JpegImageFile) else None,
    )


def _find_iptc(resources: Any) -> bytes | None:
    """Returns IPTC's records of what Photoshop left in a JPEG."""
    found = resources.get(_IPTC) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) and found else None


def _convert_cmyk(image: Image.Image) -> tuple[Image.Image, str]:
    """Returns a CMYK picture as sRGB, by its profile if it has one, and what is to be said."""
    from PIL import ImageCms

    if profile := image.info.get("icc_profile"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted, "has CMYK colours: converted to sRGB by its profile"
    return image.convert("RGB"), "has CMYK colours without a profile: converted to RGB roughly"


def _quality(image: Image.Image) -> dict[str, Any]:
    """Returns the quality with which to write a picture like this JPEG."""
    if not isinstance(image, JpegImageFile) or not image.quantization:
        return {}
    first = sum(image.quantization[min(image.quantization)])
    scale = 100 * first / _ANNEX_K  # of the standard's table, in percent
    found = 5000 / scale if scale > 100 else (200 - scale) / 2
    if first == 64:  # steps of 1 all over, which no other quality has
        found = 100
    return {"quality": int(min(100, max(_LEAST_QUALITY, round(found))))}


_ANNEX_K = 3688  # the sum of the JPEG standard's table for luma, of quality 50


def as_image(contents: Contents) -> Image.Image:
    """Returns 8-bit contents as Pillow holds them."""
    pixels = contents.pixels
    if contents.alpha is not None:
        pixels = np.concatenate([pixels, contents.alpha[:, :, None]], axis=2, casting="no")
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def told(metadata: Metadata, *kinds: str) -> dict[str, Any]:
    """Returns the options with which Pillow writes these kinds of metadata."""
    exif = metadata.exif
    options = {
        "icc_profile": metadata.icc,
        "exif": None if exif is None else MARK + exif,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
    }
    return {name: options[name] for name in kinds if options[name] is not None}


def save_jpeg(path: Path, contents: Contents) -> None:
    """Writes a JPEG at the quality of the file that was read, but of no less than 90."""
    metadata = contents.metadata
    comment = metadata.comment or (metadata.settings or "").encode()
    as_image(contents).save(
        path,
        format="JPEG",
        quality=contents.encoding.get("quality", 95),
        subsampling=0,
        comment=comment or None,
        extra=_pack_iptc(metadata.iptc),
        **told(metadata, "icc_profile", "exif", "xmp", "dpi"),
    )


def _pack_iptc(iptc: bytes | None) -> bytes:
    """Returns IPTC's records as a JPEG holds them; nothing if they are too long for it."""
    if iptc is None or len(iptc) > _LONGEST_MARKER:
        return b""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def save_webp(path: Path, contents: Contents) -> None:
    """Writes a WebP without loss."""
    image = as_image(contents)
    image = image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))
    options = told(contents.metadata, "icc_profile", "exif", "xmp")
    image.save(path, format="WEBP", lossless=True, exact=True, **options)


def save_bmp(path: Path, contents: Contents) -> None:
    """Writes a BMP."""
    image = as_image(contents)
    image.save(path, format="BMP", **told(contents.metadata, "dpi"))
