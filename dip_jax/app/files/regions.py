"""What is marked in a picture, pixel by pixel: grown, and brought to the picture's size."""

import numpy as np
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.formats.base import upright
from dip_jax.app.files.pictures import Picture


def fit_region(path: str, fill: np.ndarray, picture: Picture) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns what is marked on a mask file, turned and scaled to the picture.

    Raises:
      UserError: if its sides have another ratio.
    """
    wanted: tuple[int, ...] = picture.image.shape[:2]
    orientation = picture.orientation
    swapped = orientation in (5, 6, 7, 8)
    stored = wanted[::-1] if swapped else wanted
    remarks: list[str] = []
    if fill.shape == wanted:
        if orientation != 1 and stored == wanted:
            remarks.append("is taken to lie upright, as EXIF turns the picture")
        return fill, tuple(remarks)
    upright_too = fill.shape != stored and _alike(fill.shape, wanted)
    if swapped and not upright_too and _alike(fill.shape, stored):
        fill = np.ascontiguousarray(upright(fill, orientation))
        remarks.append("lies as the picture is stored: turned upright with it, as EXIF says")
    size, target = (f"{shape[1]}x{shape[0]}" for shape in (fill.shape, wanted))
    if not _alike(fill.shape, wanted):
        problem = f"is {size}, but the picture is {target}; give a mask of that size or shape"
        raise UserError("--mask", path, problem)
    if fill.shape != wanted:
        fill, grown = _scaled(fill, wanted)
        more = f", and what is filled grown by {grown} pixel{'s' * (grown > 1)}" * (grown > 0)
        remarks.append(f"is {size}: scaled to the picture's {target}{more}")
    return fill, tuple(remarks)


def _alike(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one size is the other enlarged, up to the rounding to whole pixels."""
    small, large = sorted((shape, other))
    sides = list(zip(small, large, strict=True))
    if len({a == b for a, b in sides}) > 1:  # a row or a column is missing
        return False
    return any(  # rounded down, up, or to the nearest
        max((a + least) / b for a, b in sides) <= min((a + least + 1) / b for a, b in sides)
        for least in (0, -1, -0.5)
    )


def _scaled(fill: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Returns what is marked at another size, and the pixels by which it grew.

    A pixel is filled if any of it is marked. Edges of a smaller mask are uncertain by half of its
    pixels, so the region grows by that.
    """
    size = (shape[1], shape[0])
    if fill.shape >= shape:
        parts = Image.fromarray(fill.astype(np.float32)).resize(size, Image.Resampling.BOX)
        return np.asarray(parts) > 1e-3, 0
    large = Image.fromarray(fill.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    pixels = -(-shape[0] // (2 * fill.shape[0]))
    return grow(np.asarray(large) > 0, pixels), pixels


def grow(marked: np.ndarray, pixels: int) -> np.ndarray:
    """Returns what is marked, grown on all sides."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(marked, 2 * pixels + 1) if pixels else marked


def neighbours_agree(fill: np.ndarray) -> float:
    """Returns the correlation of neighbouring pixels: about 0 for pixels at random, 1 for areas."""
    centred = fill - fill.mean()
    spread = float((centred**2).mean())
    pairs = [centred[1:] * centred[:-1], centred[:, 1:] * centred[:, :-1]]
    means = [float(pair.mean()) for pair in pairs if pair.size]
    return sum(means) / len(means) / spread if means and spread else 0.0
