"""Transparency: what was erased, and what it hides."""

from typing import Any

import numpy as np
from PIL import Image

_OPAQUE = 0.98  # of full opacity: an eraser's rim ends there


def find_erased(alpha: np.ndarray) -> np.ndarray:
    """Returns what was erased: transparent spots, with the eraser's soft rim."""
    from scipy.ndimage import label

    found: Any = label(alpha < _OPAQUE * full_opacity(alpha), np.ones((3, 3)))
    spots = found[0]
    erased = np.unique(spots[alpha == 0])
    return np.isin(spots, erased[erased > 0])


def without_erased(alpha: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Returns an alpha channel in which erased spots are opaque if all of each is ``filled``.

    Args:
      alpha: ``[h, w]``.
      filled: bool, ``[h, w]``.
    """
    from scipy.ndimage import label

    found: Any = label(find_erased(alpha), np.ones((3, 3)))
    spots = found[0]
    whole = (spots > 0) & ~np.isin(spots, spots[~filled])
    return np.where(whole, full_opacity(alpha), alpha).astype(alpha.dtype)


def full_opacity(alpha: np.ndarray) -> float:
    """Returns the most opaque value that there is: not all files use their type's largest."""
    return float(alpha.max())


def enlarge_alpha(alpha: np.ndarray, factor: int) -> np.ndarray:
    """Returns an alpha channel of more pixels, bicubic between them, within its own range."""
    height, width = alpha.shape
    size = (width * factor, height * factor)
    large = Image.fromarray(alpha.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    values = np.clip(np.asarray(large, np.float64), alpha.min(), alpha.max())
    return (values if alpha.dtype.kind == "f" else np.rint(values)).astype(alpha.dtype)


def spread_colors(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Returns a picture in which the nearest visible colours take the place of hidden ones.

    Else those would show at the edges of what is visible, once it is enlarged.

    Args:
      image: ``[h, w, c]``.
      alpha: ``[h, w]``, 0 where nothing is visible.
    """
    from scipy.ndimage import distance_transform_edt

    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return image
    nearest: Any = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return image[tuple(nearest)]
