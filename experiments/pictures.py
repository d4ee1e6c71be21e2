"""How experiments load and crop pictures."""

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


def load_picture(name: str, size: int) -> np.ndarray:
    """Returns the centre of one of scikit-image's pictures, float32 ``[size, size, c]`` in [0, 1].

    Raises:
      UserError: if the picture is smaller than ``size``.
    """
    from skimage import data

    whole = getattr(data, name)().astype(np.float32) / 255
    return crop_centre(whole[:, :, None] if whole.ndim == 2 else whole, size, name)
