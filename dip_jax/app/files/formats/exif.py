"""EXIF metadata of a camera, copied without the entries that the result invalidates."""

import contextlib
import struct
from typing import Any, BinaryIO

from PIL import Image
from PIL.ExifTags import IFD
from PIL.TiffImagePlugin import ImageFileDirectory_v2

MARK = b"Exif\0\0"  # in front of EXIF data in a JPEG
CAMERA, GPS = int(IFD.Exif), int(IFD.GPSInfo)
_DESCRIPTION = 270
# Description, make, model, software, date, artist, copyright: tags of any TIFF.
PLAIN = (_DESCRIPTION, 271, 272, 305, 306, 315, 33432)
_ORIENTATION, _INTEROP = 274, int(IFD.Interop)
_THUMBNAIL = (513, 514)  # where it is, and its length
_NUMBERS = {3: "H", 4: "I"}  # the types of tags that may be either
_SIDES = (40962, 40963)  # the picture's width and height
_RESOLUTION = (282, 283)


def check_exif(exif: bytes | None) -> bytes | None:
    """Returns EXIF data without their mark; None if they are broken or empty."""
    if not exif:
        return None
    try:
        if not dict(_load(exif)):
            return None
    except Exception:  # broken data make Pillow raise nearly any type
        return None
    return exif.removeprefix(MARK)


def fit_exif(exif: bytes, width: int, height: int, factor: int) -> bytes:
    """Returns EXIF data as they are true of a result, which lies upright.

    All else stays where it is, as makers' notes refer to offsets. The thumbnail, which shows the
    old picture, is wiped out.

    Args:
      exif: checked.
      width: of the result, in pixels.
      height: the same.
      factor: by which it is enlarged.
    """
    data, order = bytearray(exif), ">" if exif.startswith(b"MM") else "<"
    sides: dict[int, int] = dict(zip(_SIDES, (width, height), strict=True))
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        entries, end = _list_entries(data, order, start)
        if _ORIENTATION in entries:
            struct.pack_into(f"{order}H", data, entries[_ORIENTATION][1], 1)
        for code in entries.keys() & set(_RESOLUTION):
            (place,) = struct.unpack_from(f"{order}I", data, entries[code][1])
            (above,) = struct.unpack_from(f"{order}I", data, place)
            struct.pack_into(f"{order}I", data, place, min(above * factor, 2**32 - 1))
        if CAMERA in entries:
            (start,) = struct.unpack_from(f"{order}I", data, entries[CAMERA][1])
            camera, _ = _list_entries(data, order, start)
            for code in camera.keys() & sides.keys():
                kind, place = camera[code]
                struct.pack_into(f"{order}{_NUMBERS[kind]}", data, place, sides[code])
        _wipe_thumbnail(data, order, end)
    except (struct.error, KeyError):  # broken further in
        pass
    return bytes(data)


def _list_entries(data: bytearray, order: str, start: int) -> tuple[dict[int, tuple], int]:
    """Returns type and place of each value in a directory, by its code; and where it ends."""
    (count,) = struct.unpack_from(f"{order}H", data, start)
    end = start + 2 + 12 * count
    entries = {}
    for at in range(start + 2, end, 12):
        code, kind = struct.unpack_from(f"{order}HH", data, at)
        entries[code] = (kind, at + 8)
    return entries, end


def _wipe_thumbnail(data: bytearray, order: str, end: int) -> None:
    """Takes out the second directory, to which the end of the first one points."""
    (start,) = struct.unpack_from(f"{order}I", data, end)
    if not start:
        return
    struct.pack_into(f"{order}I", data, end, 0)
    entries, _ = _list_entries(data, order, start)
    place, length = (
        struct.unpack_from(f"{order}I", data, entries[code][1])[0] for code in _THUMBNAIL
    )
    if place + length <= len(data):
        data[place : place + length] = bytes(length)


def read_plain(exif: bytes) -> dict[int, bytes]:
    """Returns those of the data that are tags of any TIFF, by their codes."""
    found = _load(exif)
    texts = {code: found.get(code) for code in PLAIN}
    # Pillow decodes so whatever the bytes are.
    return {code: each.encode("latin-1") for code, each in texts.items() if isinstance(each, str)}


def find_parts(exif: bytes) -> dict[int, dict[int, Any]]:
    """Returns the directories within EXIF data, the camera's and the place's, by their codes.

    Those that can't be written again are left out.
    """
    found, parts = _load(exif), {}
    for code in (CAMERA, GPS):
        with contextlib.suppress(Exception):  # broken data make Pillow raise nearly any type
            part = dict(found.get_ifd(code))
            if _INTEROP in part:
                part[_INTEROP] = dict(found.get_ifd(_INTEROP))
            pack_part(part, code, "<", 8)
            if part:
                parts[code] = part
    return parts


def read_exif(file: BinaryIO) -> bytes | None:
    """Returns EXIF data made of a TIFF's tags, such as date and artist; None if it has none.

    A camera's raw file is a TIFF too, mostly. The description, often a program's, is left out.
    """
    found, kept = Image.Exif(), Image.Exif()
    try:
        file.seek(0)
        found.load_from_fp(file)
        parts = {code: dict(found.get_ifd(code)) for code in (CAMERA, GPS)}
        for code in PLAIN:
            if code != _DESCRIPTION and isinstance(found.get(code), str):
                kept[code] = found[code].encode("latin-1")
        for code, part in parts.items():
            if part:
                kept.get_ifd(code).update(part)
        return check_exif(kept.tobytes())
    except Exception:  # broken data make Pillow raise nearly any type
        return None


def pack_part(part: dict[int, Any], code: int, order: str, offset: int) -> bytes:
    """Returns a directory as it stands in a TIFF.

    Args:
      part: its values by their codes.
      code: its own.
      order: of bytes, ``<`` or ``>``.
      offset: from the beginning of the file.
    """
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    directory = ImageFileDirectory_v2(head, group=code)
    for each, value in part.items():
        directory[each] = value
    return directory.tobytes(offset)


def _load(exif: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(exif)
    return found
