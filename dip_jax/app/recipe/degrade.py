"""Damage made with Pillow, and the picture of the demonstration.

Pictures are float32 ``[h, w, c]`` in [0, 1]. The rest of the damage is in ``dip_jax.damage``.
"""

import io

import numpy as np
from PIL import Image

from dip_jax.metrics import to_uint8


def demonstration_picture() -> np.ndarray:
    """The head of scikit-image's astronaut (NASA, public domain), 256x256."""
    from skimage import data

    return data.astronaut()[:256, 96:352].astype(np.float32) / 255


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Downsamples by ``factor`` with Pillow's Lanczos filter, as the paper's input is made."""
    return _resize(image, image.shape[1] // factor, image.shape[0] // factor, "LANCZOS")


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Enlarges by ``factor`` with Pillow's bicubic filter: the classical answer."""
    larger = _resize(image, image.shape[1] * factor, image.shape[0] * factor, "BICUBIC")
    return np.clip(larger, 0, 1)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Passes the picture through a JPEG file of ``quality`` (1 to 95)."""
    file = io.BytesIO()
    pixels = to_uint8(image)
    grey = pixels.shape[2] == 1
    Image.fromarray(pixels[:, :, 0] if grey else pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        back = np.asarray(picture, np.float32) / 255
    return back.reshape(image.shape)


def _resize(image: np.ndarray, width: int, height: int, kind: str) -> np.ndarray:
    """Resizes each channel in float precision."""
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
            (width, height), Image.Resampling[kind]
        )
        for plane in np.moveaxis(image, 2, 0)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)
