"""HDF5, by h5py; and MATLAB's files, which are HDF5 from version 7.3 on."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.app.files.formats.arrays import DEPTHS, check_claim, lay_out, understand
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

MARK = b"\x89HDF\r\n\x1a\n"
MATLAB = b"MATLAB "
MAT_DEPTHS = tuple(name for name in DEPTHS if name != "float16")
_MAT_7_3 = b"MATLAB 7.3"
_NUMERIC = ("double", "single", "logical", "int", "uint")  # how MATLAB's classes begin


def read_hdf5(source: Source) -> Contents:
    """Reads a dataset of two dimensions or more: the first, or the one that ``page`` names."""
    with refusing_damage():
        name, array, attributes, remarks = _read_dataset(source, "an HDF5 file")
        contents = understand(array, with_alpha=False)
    return contents._replace(
        metadata=Metadata(header=attributes),
        encoding={"name": name},
        remarks=(*remarks, *contents.remarks),
    )


def save_hdf5(path: Path, contents: Contents) -> None:
    """Writes an HDF5 file of one dataset, with the name and the attributes of the one read."""
    h5py = need("h5py", "an HDF5 file", "hdf5", AS_NPY)
    attributes = contents.metadata.header
    with h5py.File(path, "w") as file:
        name = contents.encoding.get("name", "image")
        dataset = file.create_dataset(name, data=lay_out(contents), compression="gzip")
        if isinstance(attributes, dict):
            dataset.attrs.update(attributes)


def read_mat(source: Source) -> Contents:
    """Reads a matrix of MATLAB's: the first that is a picture, or the one that ``page`` names."""
    with refusing_damage():
        if source.head.startswith(_MAT_7_3):
            name, array, _, remarks = _read_dataset(source, "a MATLAB 7.3 file")
            array = array.T  # MATLAB counts columns first
        else:
            name, array, remarks = _read_old_mat(source)
        contents = understand(array, with_alpha=False)
    return contents._replace(encoding={"name": name}, remarks=(*remarks, *contents.remarks))


def save_mat(path: Path, contents: Contents) -> None:
    """Writes a file of MATLAB's version 5, which all read, of one matrix."""
    from scipy.io import savemat

    name = contents.encoding.get("name", "image").rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z]\w{0,30}", name, re.ASCII):  # MATLAB knows no others
        name = "image"
    savemat(path, {name: lay_out(contents)}, appendmat=False, do_compression=True)


def _read_dataset(source: Source, kind: str) -> tuple[str, np.ndarray, dict[str, Any], Any]:
    """Returns name, values and attributes of a dataset, and remarks."""
    h5py = need("h5py", kind, "hdf5", AS_NPY)
    with h5py.File(source.file, "r") as file:
        found: list[str] = []

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "biufc" and _flat(item.shape):
                found.append(name)

        file.visititems(note)
        page = source.page.strip("/") if isinstance(source.page, str) else source.page
        name, remarks = _choose(found, page)
        dataset = file[name]
        if dataset.external or dataset.is_virtual:  # it names any file of the user's
            raise RefusedError(f"keeps the values of {name} in other files; save it as one file")
        check_claim(dataset.shape)
        attributes = {
            key: value
            for key, value in dataset.attrs.items()
            if np.asarray(value).dtype.kind in "biufcSU"  # no references into the file
        }
        return name, dataset[()], attributes, remarks


def _read_old_mat(source: Source) -> tuple[str, np.ndarray, Any]:
    from scipy.io import loadmat, whosmat

    shapes = {
        name: shape
        for name, shape, kind in whosmat(source.file)
        if kind.startswith(_NUMERIC) and _flat(shape)
    }
    name, remarks = _choose(list(shapes), source.page)
    check_claim(shapes[name])
    source.file.seek(0)
    return name, loadmat(source.file, variable_names=[name])[name], remarks


def _choose(names: list[str], page: int | str | None) -> tuple[str, tuple[str, ...]]:
    if not names:
        raise RefusedError(f"holds no array of two dimensions; save one as {AS_NPY}")
    index, remarks = choose_page(page, len(names), "array", names)
    return names[index], remarks


def _flat(shape: Sequence[int] | None) -> bool:
    """Whether an array of that shape may be a picture."""
    return shape is not None and sum(length > 1 for length in shape) > 1
