"""Reading and writing picture files; whatever cannot be read faithfully is refused."""

import contextlib
import logging
import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from dip_jax.app.errors import UserError, printable
from dip_jax.app.files.atomic import replacing

# Pillow logs some faults of a file before it raises; the error alone should tell them.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

StrPath = str | os.PathLike[str]
MAX_PIXELS = 64_000_000
# A short list on purpose: several other formats of Pillow's cut 16 bits to 8 silently
# (PPM, SGI, AVIF), and one (EPS) starts another program.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")  # a JPEG may prove an MPO
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_LUMA = np.array([[0.299], [0.587], [0.114]])
_AS_8_BIT = "an 8-bit grey or RGB PNG"
_AS_NPY = "a .npy array, float in [0, 1] or uint8"
_TOO_LARGE = "has more than 64 megapixels; scale it down or crop it first"


class Picture(NamedTuple):
    """A picture as read from a file.

    Attributes:
      image: float32 [h, w, c] in [0, 1]; c is 1 (grey) or 3 (RGB).
      alpha: uint8 [h, w], the opacity kept untouched, or None if the file has none.
    """

    image: np.ndarray
    alpha: np.ndarray | None


def read_picture(path: StrPath, *, flag: str = "--image") -> Picture:
    """Reads a picture file, upright, or a .npy array (the way to give full depth).

    Args:
      path: an 8-bit PNG, JPEG, TIFF, BMP, GIF or WebP of one frame (of a phone's MPO,
        the first frame is taken), or a .npy file: float in [0, 1], bool or uint8,
        [h, w], [h, w, 1], [h, w, 3] or, uint8 only, [h, w, 4] with alpha last.
      flag: the flag that named the file, for the message of an error.

    Raises:
      UserError: if the file is missing, unreadable or damaged, or if it holds what
        would be changed silently by reading it (16 bits, CMYK, several frames...).
    """
    with warnings.catch_warnings(action="ignore"), _open(path, flag) as file:
        is_npy = Path(path).suffix.lower() == ".npy"
        pixels = _npy_pixels(path, flag) if is_npy else _file_pixels(file, path, flag)
    scale = np.float32(255 if pixels.dtype == np.uint8 else 1)
    alpha = None
    if pixels.shape[2] in (2, 4):
        alpha = np.ascontiguousarray(pixels[:, :, -1])
        pixels = pixels[:, :, :-1]
    return Picture(np.ascontiguousarray(pixels, np.float32) / scale, alpha)


def read_mask(
    path: StrPath,
    shape: Sequence[int],
    *,
    invert: bool = False,
    grow: int = 0,
    flag: str = "--mask",
) -> tuple[np.ndarray, list[str]]:
    """Reads a mask: white (luma of half or more) is known, black is to be filled.

    Args:
      path: a file that `read_picture` can read.
      shape: the picture's [h, w] or [h, w, c].
      invert: True if black is known and white is to be filled (--invert_mask).
      grow: pixels by which what is to be filled grows on all sides (--grow_mask).
      flag: the flag that named the file, for errors and remarks.

    Returns:
      The mask, float32 [h, w, 1] with 1 = known and 0 = to be filled, and remarks:
      one-line strings on what looks like a slip but need not be one.

    Raises:
      UserError: if the file cannot be read, its size differs from the picture's, or
        nothing or everything is known.
    """
    from scipy.ndimage import minimum_filter

    picture, alpha = read_picture(path, flag=flag)
    size, wanted = (f"{s[1]}x{s[0]}" for s in (picture.shape, shape))
    if size != wanted:
        problem = f"is {size}, but the picture is {wanted}; give a mask of that size"
        raise UserError(flag, path, problem)
    # Rounded, so that a grey of exactly a half stays a half in all three channels.
    luma = (picture @ _LUMA).round(6) if picture.shape[2] == 3 else picture
    mask = ((luma >= 0.5) != invert).astype(np.float32)

    hidden = 100 * np.mean(mask == 0)  # percent
    if hidden in (0, 100):
        state = "known" if hidden else "to fill"
        known, fill = ("black", "white") if invert else ("white", "black")
        habit = f"here {known} is known and {fill} is filled"
        problem = f"leaves nothing {state}: {habit}; paint both, or see --invert_mask"
        raise UserError(flag, path, problem)
    mask = minimum_filter(mask, (2 * grow + 1, 2 * grow + 1, 1))
    hidden = 100 * np.mean(mask == 0)
    if hidden == 100:
        raise UserError("--grow_mask", grow, "leaves nothing known; take less")

    remarks = []
    if hidden > 90:
        swap = "black should be filled, drop" if invert else "white should be filled, pass"
        remarks.append(f"hides {hidden:.1f} % of the picture: if {swap} --invert_mask")
    elif hidden < 0.1:
        remarks.append(f"hides only {hidden:.3f} % of the picture: is that meant?")
    grey = 100 * np.mean((luma > 0.1) & (luma < 0.9))
    if grey > 5:
        remarks.append(f"is grey in {grey:.1f} % of its pixels: they are cut at half")
    if alpha is not None and (alpha < 255).any():
        remarks.append("is transparent in places: only its colours count")
    return mask, [printable(f"{flag}={path} {remark}") for remark in remarks]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Rounds floats in [0, 1], any shape, to uint8; values outside are clipped.

    Raises:
      ValueError: if a value is NaN, or the array holds integers.
    """
    if np.issubdtype(image.dtype, np.integer) or np.isnan(image).any():
        raise ValueError(f"expected floats in [0, 1] without NaN, got {image.dtype}")
    image = np.asarray(image, np.float64)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def psnr_8_bit(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the PSNR in dB of the pictures as 8-bit files, over all pixels and channels."""
    from skimage.metrics import peak_signal_noise_ratio  # a second to import

    a, b = to_uint8(image), to_uint8(reference)
    if np.array_equal(a, b):
        return float("inf")
    return float(peak_signal_noise_ratio(b, a, data_range=255))


def write_picture(path: StrPath, image: np.ndarray, alpha: np.ndarray | None = None) -> None:
    """Writes an 8-bit PNG; a file of that name is replaced whole or not at all.

    Args:
      path: where to, with the suffix .png.
      image: float [h, w, 1|3] in [0, 1]; values outside are clipped.
      alpha: uint8 [h, w] to be stored as it is, or None.

    Raises:
      ValueError: if the suffix or a shape is another, or a value is NaN.
      TypeError: if alpha is not uint8.
      OSError: if the file cannot be written.
    """
    if (path := Path(path)).suffix.lower() != ".png":
        raise ValueError(f"{path} should end in .png")
    pixels = to_uint8(image)
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"expected an image [h, w, 1 or 3], got {pixels.shape}")
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[:, :, None]], axis=2, casting="no")
    write_pixels(path, pixels)


def write_pixels(path: StrPath, pixels: np.ndarray) -> None:
    """Writes uint8 ``[h, w, 1 | 2 | 3 | 4]`` as a PNG; a file of that name is replaced whole."""
    grey = pixels.shape[2] == 1
    with replacing(Path(path)) as partial:
        Image.fromarray(pixels[:, :, 0] if grey else pixels).save(partial, format="PNG")


def _open(path: StrPath, flag: str) -> BinaryIO:
    """Opens a regular file that is not empty."""
    problem = None
    try:
        info = os.stat(path)
        if stat.S_ISDIR(info.st_mode):
            problem = "is a folder; name one picture file"
        elif not stat.S_ISREG(info.st_mode):
            problem = "is not a regular file; name one picture file"
        elif info.st_size == 0:
            problem = "is an empty file; save or download it again"
        else:
            return open(path, "rb")
    except FileNotFoundError:
        problem = "does not exist; check the path"
    except PermissionError:
        problem = "may not be read by you; change its permissions or copy it"
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        problem = f"cannot be opened ({error}); check the path"
    raise UserError(flag, path, problem)


def _file_pixels(file: BinaryIO, path: StrPath, flag: str) -> np.ndarray:
    """Decodes a picture file to uint8 [h, w, 1|2|3|4]: grey or RGB, alpha last."""
    ihdr = file.read(25)
    file.seek(0)
    try:
        with Image.open(file, formats=_FORMATS) as image:
            problem = _file_problem(image, ihdr)
            if not problem:
                image.load()
                with contextlib.suppress(Exception):  # broken EXIF data are no obstacle
                    ImageOps.exif_transpose(image, in_place=True)
                mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
                pixels = image.convert(mode + "A" * image.has_transparency_data)
                return np.asarray(pixels).reshape(image.height, image.width, -1)
    except UnidentifiedImageError:
        problem = f"is not a picture that can be read; save it as {_AS_8_BIT} or {_AS_NPY}"
    except Image.DecompressionBombError:
        problem = _TOO_LARGE
    except Exception as error:  # damaged files make Pillow raise nearly any type
        problem = f"is damaged or cut short ({error}); save or download it again"
    raise UserError(flag, path, problem)


def _file_problem(image: Image.Image, ihdr: bytes) -> str | None:
    """Why a picture should not be decoded, told from its headers alone."""
    if image.width * image.height > MAX_PIXELS:
        return _TOO_LARGE
    # Pillow gives 16-bit RGB as 8-bit RGB, so its mode does not tell.
    bits = ihdr[24] if image.format == "PNG" else 8
    if isinstance(image, TiffImageFile):
        bits = max(image.tag_v2.get(258, (1,)))  # BitsPerSample
    if bits > 8 or image.mode.startswith(("I", "F")):
        return f"has 16 or 32 bits a channel; save it as {_AS_NPY}, or {_AS_8_BIT}"
    if image.mode not in _MODES:
        return f"has {image.mode} colours, which are not supported; save it as {_AS_8_BIT}"
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        return "has several frames or pages; save one of them as a PNG"
    return None


def _npy_pixels(path: StrPath, flag: str) -> np.ndarray:
    """Loads a .npy file as uint8 [h, w, 1|3|4], or float or bool [h, w, 1|3]."""
    try:
        # A huge claim in the header costs no memory then, and objects never load.
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception:  # damaged headers make NumPy raise nearly any type
        problem = f"is not one whole NumPy array without Python objects; save it as {_AS_NPY}"
        raise UserError(flag, path, problem) from None
    if problem := _npy_problem(array):
        raise UserError(flag, path, problem)
    return np.array(array).reshape(*array.shape[:2], -1)


def _npy_problem(array: np.ndarray) -> str | None:
    shape, dtype = array.shape, array.dtype
    if dtype != np.uint8 and dtype.kind not in "fb":
        return f"holds {dtype} values; save it as {_AS_NPY}"
    channels = (1, 3, 4) if dtype == np.uint8 else (1, 3)
    if len(shape) not in (2, 3) or 0 in shape or (*shape, 1)[2] not in channels:
        return f"has the shape {shape}; save it as (h, w) or (h, w, 3), or uint8 (h, w, 4)"
    if shape[0] * shape[1] > MAX_PIXELS:
        return _TOO_LARGE
    low, high = array.min(), array.max()
    if dtype.kind == "f" and not (low >= 0 and high <= 1):  # "not", so that NaN fails
        return f"has values from {low:.9g} to {high:.9g}; scale or clip to [0, 1] (no NaN)"
    return None
