"""NumPy's arrays in files, .npy and .npz, as other libraries shape them."""

from pathlib import Path

import numpy as np

from dip_jax.app.files.formats.base import (
    AS_NPY,
    MAX_PIXELS,
    TOO_LARGE,
    Contents,
    Layout,
    RefusedError,
    Source,
    choose_page,
)

NPY, ZIP = b"\x93NUMPY", b"PK"
DEPTHS = (
    *("uint8", "int8", "uint16", "int16", "float16", "float32"),
    *("uint32", "int32", "uint64", "int64", "float64"),
)
_SHAPES = "(h, w), (h, w, 3) or (h, w, 4) with alpha last"


def read_npy(source: Source) -> Contents:
    """Reads an array file."""
    try:
        # A huge claim in the header costs no memory then, and objects never load.
        array = np.lib.format.open_memmap(source.path, mode="r")
    except Exception as error:  # damaged headers make NumPy raise nearly any type
        problem = "is not one whole NumPy array without Python objects"
        raise RefusedError(f"{problem}; save it as {AS_NPY}") from error
    return _understand(array)


def read_npz(source: Source) -> Contents:
    """Reads an array of an archive, the first or the one that ``page`` says."""
    try:
        with np.load(source.file, allow_pickle=False) as archive:
            names = archive.files
            if not names:
                raise RefusedError(f"holds no array; save it as {AS_NPY}")
            index, remarks = choose_page(source.page, len(names), "array")
            _check_claim(archive, names[index])
            array = archive[names[index]]
    except RefusedError:
        raise
    except Exception as error:  # damaged archives raise nearly any type
        problem = "is not a whole .npz archive without Python objects"
        raise RefusedError(f"{problem}; save it as {AS_NPY}") from error
    contents = _understand(array)
    return contents._replace(remarks=(*remarks, *contents.remarks))


def _check_claim(archive: "np.lib.npyio.NpzFile", name: str) -> None:
    """Raises a RefusedError if the array's header alone shows it to be too large."""
    with archive.zip.open(f"{name}.npy") as member:  # type: ignore[union-attr]
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, _ = read(member)
    if np.prod(shape, dtype=float) > 4 * MAX_PIXELS:
        raise RefusedError(TOO_LARGE)


def _understand(array: np.ndarray) -> Contents:
    """Returns what an array means as a picture."""
    if array.dtype.kind == "c":
        mend = "restore its parts one by one: np.save of array.real and of array.imag"
        raise RefusedError(f"holds complex values; {mend}")
    if array.dtype.kind not in "biuf":
        raise RefusedError(f"holds {array.dtype} values; save it as {AS_NPY} of numbers")
    shape, remarks, leading = array.shape, [], 0
    while array.ndim > 3 and array.shape[0] == 1:
        array, leading = array[0], leading + 1
    if leading:
        remarks.append(f"has the shape {shape}: taken as one picture")
    first = array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4)
    if first:
        array = np.moveaxis(array, 0, -1)
        remarks.append(f"has the shape {shape}: its first axis is taken for the channels")
    if array.ndim not in (2, 3) or 0 in shape:
        raise RefusedError(f"has the shape {shape}; save it as {_SHAPES}")
    flat = array.ndim == 2
    if flat:
        array = array[:, :, None]
    if array.shape[2] not in (1, 3, 4):
        mend = f"save it as {_SHAPES}; channels one by one"
        raise RefusedError(f"has the shape {shape}; {mend}")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise RefusedError(TOO_LARGE)
    array = np.array(array, array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.name not in DEPTHS:  # of 128 bits
        array = array.astype(np.float64)
    alpha = None
    if array.shape[2] == 4:
        alpha, array = np.ascontiguousarray(array[:, :, 3]), array[:, :, :3]
    return Contents(
        np.ascontiguousarray(array),
        alpha,
        layout=Layout(leading, first, flat),
        remarks=tuple(remarks),
    )


def _lay_out(contents: Contents) -> np.ndarray:
    """Returns the array, with the axes that the one read had."""
    array, layout = contents.pixels, contents.layout
    if contents.alpha is not None:
        array = np.concatenate([array, contents.alpha[:, :, None]], axis=2, casting="no")
    if layout.flat and array.shape[2] == 1:
        array = array[:, :, 0]
    elif layout.channels_first:
        array = np.moveaxis(array, -1, 0)
    return np.ascontiguousarray(array)[(None,) * layout.leading]


def save_npy(path: Path, contents: Contents) -> None:
    """Writes an array file."""
    with path.open("wb") as file:
        np.save(file, _lay_out(contents))


def save_npz(path: Path, contents: Contents) -> None:
    """Writes an archive of one array."""
    with path.open("wb") as file:
        np.savez_compressed(file, image=_lay_out(contents))
