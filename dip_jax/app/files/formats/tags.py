"""The tags of a TIFF: what it says besides its pixels."""

import re
import struct
from fractions import Fraction
from typing import Any

from dip_jax.app.files.formats import exif
from dip_jax.app.files.formats.base import Metadata

_DESCRIPTION, _SOFTWARE, _ICC, _XMP, _IPTC = 270, 305, 34675, 700, 33723
_WIDTH, _HEIGHT, _UNIT = 282, 283, 296  # of the resolution
_RESOLUTION = (_WIDTH, _HEIGHT, _UNIT)
# Make, model, software, date, artist, copyright: kept as they are.
_KEPT = (271, 272, _SOFTWARE, 306, 315, 33432)
_TEXT, _BYTES, _POINTER = 2, 7, 4  # types of a tag
_POINTERS = {exif.CAMERA: "ExifTag", exif.GPS: "GPSTag"}  # tifffile refuses them by their codes
_UNITS = {2: 1.0, 3: 2.54}  # of a resolution: how many of the unit an inch has
_LARGEST = 2**32  # above the numbers of which a resolution is the ratio
_ORIENTED = re.compile(rb"(tiff:Orientation(?:=\"|>))[2-8]")
# What ImageJ says of a stack and does not hold for a single page.
_OF_STACKS = re.compile(r"^(images|channels|slices|frames|hyperstack|mode|loop|spacing)=")
_OME_SIDE = re.compile(rb'\b(Size[XY]=")\d+(?=")')
_OME_PIXEL = re.compile(rb'\b(PhysicalSize[XY]=")([\d.eE+-]+)(?=")')
_OME_UNITS = {"mm": 25.4, "\N{MICRO SIGN}m": 25400, "nm": 2.54e7}  # how many an inch has


def read_tags(page: Any) -> Metadata:
    """Returns what a page of an open TIFF of tifffile's says besides its pixels."""
    tags = page.tags
    xmp = tags[_XMP].value if _XMP in tags else None
    iptc = tags[_IPTC].value if _IPTC in tags else None
    # OME gives a page's resolution in the description of all pages, which is dropped.
    wanted = _KEPT if _is_ome_stack(page) else _KEPT + _RESOLUTION
    kept = [tags[code] for code in wanted if code in tags]
    told = [(tag.code, int(tag.dtype), tag.count, tag.value) for tag in kept]
    if description := _read_description(page):
        told.append((_DESCRIPTION, _TEXT, 0, description))
    return Metadata(
        icc=tags[_ICC].value if _ICC in tags else None,
        exif=exif.read_exif(page.parent.filehandle),
        xmp=_ORIENTED.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) else None,
        dpi=_read_dpi(page),
        iptc=iptc if isinstance(iptc, bytes) else None,
        tags=tuple(told),
    )


def _read_description(page: Any) -> str | None:
    """Returns what the page's description says of it alone."""
    if _DESCRIPTION not in page.tags or page.is_shaped:
        return None
    description = page.tags[_DESCRIPTION].value
    if _is_ome_stack(page):
        return None
    if page.is_imagej and len(page.parent.pages) > 1:
        lines = description.splitlines()
        return "\n".join(line for line in lines if not _OF_STACKS.match(line)) + "\n"
    return description


def _is_ome_stack(page: Any) -> bool:
    return page.parent.is_ome and len(page.parent.pages) > 1


def _read_dpi(page: Any) -> tuple[float, float] | None:
    tags = page.tags
    sides = [tags[code].value for code in (_WIDTH, _HEIGHT) if code in tags]
    unit = int(tags[_UNIT].value) if _UNIT in tags else 2
    if len(sides) == 2 and unit in _UNITS and all(a and b for a, b in sides):
        x, y = (a / b * _UNITS[unit] for a, b in sides)
        return (x, y)
    first = page.parent.pages[0].aspage().description if page.parent.is_ome else ""
    found = [re.search(rf'\bPhysicalSize{side}="([\d.eE+-]+)"', first) for side in "XY"]
    unit = re.search(r'\bPhysicalSizeXUnit="([^"]*)"', first)
    name = "\N{MICRO SIGN}m" if unit is None else unit[1]
    if name in _OME_UNITS and all(size is not None and float(size[1]) > 0 for size in found):
        x, y = (_OME_UNITS[name] / float(size[1]) for size in found if size is not None)
        return (x, y)
    return None


def tag_options(metadata: Metadata, shape: tuple[int, ...]) -> dict[str, Any]:
    """Returns the arguments with which tifffile writes the metadata of a result.

    Args:
      metadata: what to write.
      shape: of the result, ``(h, w)`` or more.
    """
    tags: dict[int, Any] = {code: told for code, *told in metadata.tags}
    pointers = []
    if metadata.exif is not None:
        for code, text in exif.read_plain(metadata.exif).items():
            tags.setdefault(code, (_TEXT, 0, text))
        parts = exif.find_parts(metadata.exif)
        pointers = [(_POINTERS[code], _POINTER, 1, 0, True) for code in parts]  # see add_exif
    for code, data in ((_XMP, metadata.xmp), (_IPTC, metadata.iptc)):
        if data is not None:
            tags[code] = (_BYTES, len(data), data)
    sides = [tags.pop(code)[2] for code in (_WIDTH, _HEIGHT) if code in tags]
    unit = tags.pop(_UNIT, (0, 0, 2))[2]
    options: dict[str, Any] = {}
    if len(sides) == 2:
        enlarged = [_times(side, metadata.factor) for side in sides]
        options = {"resolution": enlarged, "resolutionunit": unit}
    elif metadata.dpi is not None:
        options = {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    encoded = {code: v.encode() if isinstance(v, str) else v for code, (_, _, v) in tags.items()}
    description = encoded.pop(_DESCRIPTION, (metadata.settings or "").encode())
    return options | {
        "description": _fit_description(description, shape, metadata.factor) or None,
        "software": encoded.pop(_SOFTWARE, "dip-jax"),
        "iccprofile": metadata.icc,
        "extratags": [
            *((code, *tags[code][:2], value, True) for code, value in encoded.items()),
            *pointers,
        ],
        "metadata": None,
    }


def _times(ratio: tuple[int, int], factor: int) -> tuple[int, int] | float:
    """Returns a resolution of more pixels."""
    if factor == 1 or not ratio[1]:
        return ratio
    product = Fraction(*ratio) * factor
    large = product.numerator >= _LARGEST
    return float(product) if large else (product.numerator, product.denominator)


def _fit_description(description: bytes, shape: tuple[int, ...], factor: int) -> bytes:
    """Returns the description with the sizes that OME's tells of the picture and its pixels."""
    if not description.rstrip().endswith(b"OME>"):
        return description

    def side(found: re.Match[bytes]) -> bytes:
        return found[1] + str(shape[0] if b"Y" in found[1] else shape[1]).encode()

    def pixel(found: re.Match[bytes]) -> bytes:
        return found[1] + repr(float(found[2]) / factor).encode()

    description = _OME_SIDE.sub(side, description)
    return description if factor == 1 else _OME_PIXEL.sub(pixel, description)


def add_exif(data: bytes, found: bytes) -> bytes:
    """Returns a TIFF, no BigTIFF, with the directories of EXIF data at its end.

    tifffile can't write them. The tags that point to them are there already.
    """
    parts = exif.find_parts(found)
    whole, order = bytearray(data), "<" if data.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        (code,) = struct.unpack_from(f"{order}H", data, at)
        if code in parts:
            whole += bytes(len(whole) % 2)
            struct.pack_into(f"{order}I", whole, at + 8, len(whole))
            whole += exif.pack_part(parts[code], code, order, len(whole))
    return bytes(whole)
