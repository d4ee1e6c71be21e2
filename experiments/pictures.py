"""How experiments crop pictures."""

import numpy as np

from dip_jax.app import UserError


def crop_centre(picture: np.ndarray, size: int, name: str) -> np.ndarray:
    """Returns the centre ``[size, size, c]``; for size 0, the whole picture.

    Raises:
      UserError: if the picture is smaller than ``size``.
    """
    height, width = picture.shape[:2]
    if size > min(height, width):
        raise UserError("--size", size, f"{name} is only {width}x{height}; use less, or 0")
    if not size:
        return picture
    top, left = (height - size) // 2, (width - size) // 2
    return picture[top : top + size, left : left + size]
