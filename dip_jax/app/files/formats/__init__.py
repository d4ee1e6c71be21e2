"""The file formats, one record each: to add one, write its ``read`` and add a line."""

import importlib.util
from pathlib import Path

from dip_jax.app.files.formats import arrays, extras, fits, hdf5, pillow, png, pnm, tiff
from dip_jax.app.files.formats.base import (
    AS_ANY,
    MAX_PIXELS,
    Contents,
    Format,
    Layout,
    Metadata,
    RefusedError,
    Source,
    begins,
)

PNG = Format(
    "PNG",
    (".png", ".apng"),
    begins(png.MARK),
    png.read_png,
    png.save_png,
    ("uint8", "uint16"),
    holds_metadata=True,
)
_GZIP = b"\x1f\x8b"
_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")


def _read_with_pillow(name: str, *more: str):
    return lambda source: pillow.read_8_bit(source, name, *more)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


FORMATS = (
    PNG,
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        begins(b"\xff\xd8"),
        _read_with_pillow("JPEG", "MPO"),
        pillow.save_jpeg,
        holds_alpha=False,
        holds_metadata=True,
        lossy=True,
    ),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        begins(*tiff.MARKS),
        tiff.read_tiff,
        tiff.save_tiff,
        tiff.DEPTHS,
        holds_metadata=True,
        any_channels=True,
    ),
    Format(
        "WebP",
        (".webp",),
        _is_webp,
        _read_with_pillow("WEBP"),
        pillow.save_webp,
        holds_metadata=True,
        lossy=True,
    ),
    Format(
        "BMP",
        (".bmp", ".dib"),
        begins(b"BM"),
        _read_with_pillow("BMP"),
        pillow.save_bmp,
        holds_alpha=False,
    ),
    Format("GIF", (".gif",), begins(b"GIF8"), _read_with_pillow("GIF")),
    Format(
        "PNM",
        (".ppm", ".pgm", ".pnm"),
        begins(b"P2", b"P3", b"P5", b"P6"),
        pnm.read_pnm,
        pnm.save_pnm,
        ("uint8", "uint16"),
        holds_alpha=False,
    ),
    Format(
        "NPY",
        (".npy",),
        begins(arrays.NPY),
        arrays.read_npy,
        arrays.save_npy,
        arrays.DEPTHS,
        any_channels=True,
        by_name=True,
    ),
    Format(
        "NPZ",
        (".npz",),
        begins(arrays.ZIP),
        arrays.read_npz,
        arrays.save_npz,
        arrays.DEPTHS,
        any_channels=True,
    ),
    Format(
        "FITS",
        (".fits", ".fit", ".fts"),
        begins(fits.MARK),
        fits.read_fits,
        fits.save_fits,
        fits.DEPTHS,
        holds_alpha=False,
        any_channels=True,
        extra=("astropy", "fits"),
    ),
    Format(
        "HDF5",
        (".h5", ".hdf5", ".hdf"),
        begins(hdf5.MARK),
        hdf5.read_hdf5,
        hdf5.save_hdf5,
        arrays.DEPTHS,
        holds_alpha=False,
        any_channels=True,
        extra=("h5py", "hdf5"),
    ),
    Format(
        "MAT",
        (".mat",),
        begins(hdf5.MATLAB),
        hdf5.read_mat,
        hdf5.save_mat,
        hdf5.MAT_DEPTHS,
        holds_alpha=False,
        any_channels=True,
        by_name=True,
    ),
    Format("HEIC", (".heic", ".heif"), extras.is_brand(extras.HEIC), extras.read_heic, lossy=True),
    Format("AVIF", (".avif",), extras.is_brand(extras.AVIF), extras.read_avif, lossy=True),
    Format("raw", _RAW, begins(*tiff.MARKS), extras.read_raw, by_name=True),
    Format("JPEG XL", (".jxl",), begins(*extras.JXL), extras.read_jxl),
)
SAVABLE = " ".join(format.suffixes[0] for format in FORMATS if format.save is not None)
"""The usual suffixes of the formats in which results can be written, for messages."""
SUFFIXES = tuple(suffix for format in FORMATS for suffix in format.suffixes)


def find_format(path: Path, head: bytes) -> Format:
    """Returns the format of a file: that of its first bytes, whatever its name says.

    Raises:
      RefusedError: if it is unknown.
    """
    named = format_of_suffix(path)
    if named is not None and named.by_name:
        return named
    for format in FORMATS:
        if format.matches(head):
            return format
    if head.startswith(_GZIP):
        raise RefusedError("is packed by gzip; unpack it with gunzip")
    named_so = "" if named is None else f"is named as a {named.name}, but "
    problem = f"{named_so}is not a picture that can be read; save it as {AS_ANY}"
    raise RefusedError(problem)


def format_of_suffix(path: Path) -> Format | None:
    """Returns the format of a file name's suffix; None if it is unknown."""
    suffix = path.suffix.lower()
    return next((format for format in FORMATS if suffix in format.suffixes), None)


def why_not_written(format: Format | None) -> str | None:
    """Returns why results can't be written in a format, and the fix; None if they can."""
    if format is None or format.save is None:
        return f"can't be written in this format; take one of {SAVABLE}"
    if format.extra is not None and importlib.util.find_spec(format.extra[0]) is None:
        return f"needs a package of its own: pip install 'dip-jax[{format.extra[1]}]'"
    return None


__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "PNG",
    "SAVABLE",
    "SUFFIXES",
    "Contents",
    "Format",
    "Layout",
    "Metadata",
    "RefusedError",
    "Source",
    "find_format",
    "format_of_suffix",
    "why_not_written",
]
