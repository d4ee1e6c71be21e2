"""NumPy's arrays in files, .npy and .npz, as other libraries shape them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dip_jax.app.files.formats.base import (
    AS_NPY,
    MAX_CHANNELS,
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
_SHAPES = "(h, w), (h, w, channels) or (channels, h, w)"
_USUAL = (1, 3, 4)  # channels


def read_npy(source: Source) -> Contents:
    """Reads an array file."""
    try:
        # A huge claim in the header costs no memory then, and objects never load.
        array = np.lib.format.open_memmap(source.path, mode="r")
    except Exception as error:  # damaged headers make NumPy raise nearly any type
        problem = "is not one whole NumPy array without Python objects"
        raise RefusedError(f"{problem}; save it as {AS_NPY}") from error
    return understand(array, source.page)


def read_npz(source: Source) -> Contents:
    """Reads an array of an archive: the first, or the one of number or name ``page``."""
    try:
        with np.load(source.file, allow_pickle=False) as archive:
            names = archive.files
            if not names:
                raise RefusedError(f"holds no array; save it as {AS_NPY}")
            index, remarks = choose_page(source.page, len(names), "array", names)
            name = names[index]
            _check_member(archive, name)
            array = archive[name]
    except RefusedError:
        raise
    except Exception as error:  # damaged archives raise nearly any type
        problem = "is not a whole .npz archive without Python objects"
        raise RefusedError(f"{problem}; save it as {AS_NPY}") from error
    contents = understand(array)
    encoding = {"name": name}
    return contents._replace(encoding=encoding, remarks=(*remarks, *contents.remarks))


def check_claim(shape: Sequence[int]) -> None:
    """Raises a RefusedError if an array is too large to be read."""
    if np.prod(shape, dtype=float) > 4 * MAX_PIXELS:
        raise RefusedError(TOO_LARGE)


def _check_member(archive: "np.lib.npyio.NpzFile", name: str) -> None:
    """Raises a RefusedError if the array's header alone shows it to be too large."""
    with archive.zip.open(f"{name}.npy") as member:  # type: ignore[union-attr]
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, _ = read(member)
    check_claim(shape)


def understand(
    array: np.ndarray, page: int | str | None = None, *, with_alpha: bool = True
) -> Contents:
    """Returns what an array means as a picture.

    The axis of channels is the last, or the first if that alone has a usual length or is shorter.
    Of an array of pictures, ``page`` chooses one, from 1 on. The last of four channels is alpha
    where there may be one.

    Raises:
      RefusedError: if it is not a picture.
    """
    if array.dtype.kind == "c":
        mend = "save np.stack([x.real, x.imag], -1), two channels that are restored together"
        raise RefusedError(f"holds complex values; {mend}, or fit it with dip_jax.observe")
    if array.dtype.kind not in "biuf":
        raise RefusedError(f"holds {array.dtype} values; save it as {AS_NPY} of numbers")
    shape = array.shape
    if 0 in shape:
        raise RefusedError(f"has the shape {shape}; save it as {_SHAPES}")
    array, leading, remarks = _choose_picture(array, page)
    first = array.ndim == 3 and _has_channels_first(array.shape)
    if first:
        array = np.moveaxis(array, 0, -1)
        remarks.append(f"has the shape {shape}: its first axis is taken for the channels")
    flat = array.ndim == 2
    if flat:
        array = array[:, :, None]
    if array.ndim != 3 or not _are_channels(array.shape):
        raise RefusedError(f"has the shape {shape}; save it as {_SHAPES}")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise RefusedError(TOO_LARGE)
    array = np.array(array, array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.name not in DEPTHS:  # of 128 bits
        array = array.astype(np.float64)
    alpha = None
    if array.shape[2] == 4 and with_alpha:
        alpha, array = np.ascontiguousarray(array[:, :, 3]), array[:, :, :3]
    return Contents(
        np.ascontiguousarray(array),
        alpha,
        layout=Layout(leading, first, flat, known=True),
        remarks=tuple(remarks),
    )


def _choose_picture(array: np.ndarray, page: int | str | None) -> tuple[np.ndarray, int, list[str]]:
    """Returns one picture of an array, how many axes of length 1 it had in front, and remarks."""
    shape, leading = array.shape, 0
    while array.ndim > 3 and array.shape[0] == 1:
        array, leading = array[0], leading + 1
    remarks = [f"has the shape {shape}: taken as one picture"] if leading else []
    several = array.shape[0] if array.ndim == 4 else 1
    index, said = choose_page(page, several, "picture")
    return array[index] if array.ndim == 4 else array, leading, [*remarks, *said]


def _has_channels_first(shape: tuple[int, ...]) -> bool:
    ends = (shape[0], shape[2])
    usual = [end in _USUAL for end in ends]
    return usual == [True, False] or (usual == [False, False] and ends[0] < ends[1])


def _are_channels(shape: tuple[int, ...]) -> bool:
    """Whether the last axis is as short as that of channels."""
    return shape[2] in _USUAL or shape[2] <= min(MAX_CHANNELS, *shape[:2])


def lay_out(contents: Contents) -> np.ndarray:
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
        np.save(file, lay_out(contents))


def save_npz(path: Path, contents: Contents) -> None:
    """Writes an archive of one array, with the name that it had."""
    name = contents.encoding.get("name", "image")
    if name in ("file", "allow_pickle"):  # which NumPy takes for arguments of its own
        name = "image"
    with path.open("wb") as file:
        np.savez_compressed(file, **{name: lay_out(contents)})  # type: ignore[arg-type]
