"""FITS, the format of astronomy, by astropy."""

from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.app.files.formats.arrays import check_claim, lay_out, understand
from dip_jax.app.files.formats.base import (
    AS_NPY,
    Contents,
    Metadata,
    RefusedError,
    Source,
    choose_page,
    need,
    refusing_damage,
)

MARK = b"SIMPLE  ="
DEPTHS = (
    *("uint8", "int8", "uint16", "int16", "float32"),
    *("uint32", "int32", "uint64", "int64", "float64"),
)
_SUMS = ("CHECKSUM", "DATASUM")  # of the data that were read


def read_fits(source: Source) -> Contents:
    """Reads an image of a FITS file: the first that holds one, or the one that ``page`` says.

    Rows stay in their order, the lowest first.
    """
    fits = need("astropy.io.fits", "a FITS file", "fits", AS_NPY)
    with refusing_damage(), fits.open(source.file, memmap=False) as units:
        images = [unit for unit in units if unit.is_image and len(unit.shape) > 1]
        if not images:
            raise RefusedError(f"holds no image; save one as {AS_NPY}")
        names = [unit.name for unit in images]
        names = names if any(names) else []
        index, remarks = choose_page(source.page, len(images), "image", names)
        check_claim(images[index].shape)
        contents = understand(np.asarray(images[index].data), with_alpha=False)
        header = images[index].header.copy()
    return contents._replace(
        metadata=Metadata(header=header), remarks=(*remarks, *contents.remarks)
    )


def save_fits(path: Path, contents: Contents) -> None:
    """Writes a FITS file of one image, with the header of the one that was read."""
    fits = need("astropy.io.fits", "a FITS file", "fits", AS_NPY)
    header = contents.metadata.header
    kept = header.copy() if isinstance(header, fits.Header) else fits.Header()
    for name in _SUMS:
        kept.remove(name, ignore_missing=True)
    _shrink_pixels(kept, contents.metadata.factor)
    fits.PrimaryHDU(_planes_first(contents), kept).writeto(path, output_verify="silentfix")


def _shrink_pixels(header: Any, factor: int) -> None:
    """Keeps each place of an enlarged picture at its coordinates."""
    if factor == 1:
        return
    for axis in "12":
        centre = f"CRPIX{axis}"
        if centre in header:  # of pixels counted from 1 on, in their middles
            header[centre] = (header[centre] - 0.5) * factor + 0.5
        for step in (f"CDELT{axis}", f"CD1_{axis}", f"CD2_{axis}"):
            if step in header:
                header[step] /= factor


def _planes_first(contents: Contents) -> np.ndarray:
    """Returns the array as it was, or with the channels as planes if it was no array."""
    if contents.layout.known:
        return lay_out(contents)
    array = np.moveaxis(lay_out(contents), -1, 0)
    return np.ascontiguousarray(array[0] if len(array) == 1 else array)
