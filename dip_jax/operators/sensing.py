"""Compressed sensing: a picture's products with random vectors."""

import math

import jax
import jax.numpy as jnp
from jax.lax import Precision

from dip_jax.base import Array, Image, Key


def compress(image: Image, matrix: Array) -> Array:
    """Measures an image of n values, of any shape, by a ``matrix [m, n]``: ``[m]``.

    The matrix is held in memory: 16 MB for a quarter of 64x64 pixels, 4 GB for one of 256x256.

    Raises:
      ValueError: if the matrix is for another number of values.
    """
    if matrix.ndim != 2 or matrix.shape[1] != image.size:
        raise ValueError(
            f"matrix has shape {matrix.shape}, but the image has {image.size} values: must be "
            f"[measurements, {image.size}]"
        )
    return jnp.matmul(matrix, image.ravel(), precision=Precision.HIGHEST)


def sensing_matrix(key: Key, count: int, shape: tuple[int, ...]) -> Array:
    """Draws a Gaussian matrix ``[count, n]`` for images of ``shape``, which have n values.

    Its entries have the variance ``1 / count``, so that a picture keeps its norm in the mean.

    Args:
      key: decides the entries.
      count: number of measurements, at least 1.
      shape: of the images, such as ``(64, 64, 1)``.

    Raises:
      ValueError: if ``count`` is below 1.

    Source: Candes, Romberg and Tao, 2006; Donoho, Compressed sensing, 2006.
    """
    if count < 1:
        raise ValueError(f"count={count!r}: must be at least 1")
    return jax.random.normal(key, (count, math.prod(shape))) / count**0.5
