"""What a sensor makes of colours: mosaics of filters, and responses to a spectrum."""

import jax.numpy as jnp
import numpy as np
from jax.lax import Precision

from dip_jax.base import Array, Image

BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def mosaic(image: Image, filters: Array) -> Image:
    """Measures ``[h, w, c]`` by a sensor with a colour filter on each pixel.

    Args:
      image: ``[h, w, c]``.
      filters: ``[h, w, c]``, the share of each channel that a pixel's filter lets through; for
        cameras from :func:`bayer_filters`.

    Returns:
      ``[h, w, 1]``.

    Raises:
      ValueError: if the shapes differ.
    """
    if image.shape != filters.shape:
        raise ValueError(f"image has shape {image.shape}, but filters {filters.shape}: must agree")
    return jnp.sum(image * filters, axis=-1, keepdims=True)


def bayer_filters(height: int, width: int, pattern: str = "RGGB") -> np.ndarray:
    """The filters of a camera's sensor, float32 ``[height, width, 3]``, 1 for one channel each.

    Args:
      height: of the picture.
      width: of the picture.
      pattern: colours of the upper left 2x2 pixels, row by row, one of :data:`BAYER_PATTERNS`.

    Raises:
      ValueError: for another pattern.

    Source: Bayer, Color imaging array, US patent 3,971,065, 1976.
    """
    if pattern not in BAYER_PATTERNS:
        raise ValueError(f"pattern={pattern!r}: must be one of {', '.join(BAYER_PATTERNS)}")
    channel = np.array(["RGB".index(colour) for colour in pattern]).reshape(2, 2)
    rows, columns = np.ix_(np.arange(height) % 2, np.arange(width) % 2)
    return np.eye(3, dtype=np.float32)[channel[rows, columns]]


def mix_channels(image: Image, response: Array) -> Image:
    """Measures a spectrum ``[h, w, c]`` by k sensors: ``[h, w, k]``.

    Args:
      image: ``[h, w, c]``.
      response: ``[k, c]``, the response of each sensor to each channel.

    Raises:
      ValueError: if ``response`` is for another number of channels.
    """
    if response.ndim != 2 or response.shape[1] != image.shape[-1]:
        raise ValueError(
            f"response has shape {response.shape}, but the image has {image.shape[-1]} channels: "
            f"must be [sensors, {image.shape[-1]}]"
        )
    return jnp.einsum("kc,...c->...k", response, image, precision=Precision.HIGHEST)
