"""Image metrics that dm_pix lacks: PSNR of a region, of the luma or at 8 bits, total variation."""

import functools
import operator

import jax.numpy as jnp
import numpy as np

from dip_jax import losses
from dip_jax.base import Array, Image, Scalar


def psnr(image: Image, reference: Image, region: Array | None = None) -> Scalar:
    """Returns the peak signal-to-noise ratio in dB over all values, for peak 1.

    Images are real or complex, of any number of axes.

    ``region [h, w, 1]`` is 1 where pixels count and 0 elsewhere. By default all count.
    """
    real = not (jnp.iscomplexobj(image) or jnp.iscomplexobj(reference))
    if region is None and image.ndim == 3 and real:
        import dm_pix  # with chex, a fifth of the package's own import time

        return jnp.asarray(dm_pix.psnr(image, reference))
    region = jnp.ones(()) if region is None else region
    square = losses.square_magnitude(image - reference)
    square = jnp.mean(region * square) / jnp.mean(region)
    return -10 * jnp.log10(square)


def luma(image: Image) -> Image:
    """Returns the BT.601 luma ``[h, w, 1]`` of an RGB image, from 16/255 to 235/255.

    A grey image ``[h, w, 1]`` is treated as RGB with three equal channels.
    """
    if image.shape[-1] == 1:
        return (16 + 219 * image) / 255
    weights = jnp.array([[[65.481, 128.553, 24.966]]], image.dtype)
    return (16 + jnp.sum(image * weights, axis=-1, keepdims=True)) / 255


def psnr_luma(image: Image, reference: Image, border: int = 4) -> Scalar:
    """Returns the PSNR of the luma in dB, with ``border`` pixels cropped from each side.

    This is the protocol of the paper's super-resolution tables (from its evaluation script:
    luma 16 to 235, data range 1, four pixels cropped). A border that would leave no pixels
    is not cropped.
    """
    if min(image.shape[:2]) <= 2 * border:
        border = 0
    inner = slice(border, -border or None)
    return psnr(luma(image)[inner, inner], luma(reference)[inner, inner])


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
    """Returns the PSNR in dB of two pictures as 8-bit files hold them.

    Equals scikit-image's ``peak_signal_noise_ratio`` of the files, with data range 255: the mean
    is over all pixels and channels. Two equal files have infinity.

    Args:
      image: floats in [0, 1], any shape; values outside are clipped.
      reference: the true picture, of the same shape.

    Raises:
      ValueError: if the shapes differ, a value is NaN, or an array holds integers.
    """
    if image.shape != reference.shape:
        raise ValueError(
            f"expected two pictures of one shape, got {image.shape}, {reference.shape}"
        )
    difference = np.subtract(to_uint8(image), to_uint8(reference), dtype=np.float64)
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def psnr_full_depth(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the same without rounding: the PSNR of float pictures, clipped to [0, 1]."""
    difference = np.clip(np.asarray(image, np.float64), 0, 1) - reference
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def total_variation(image: Image, beta: float = 0.5) -> Scalar:
    """Returns the sum over pixels of ``(dx**2 + dy**2) ** beta``, the original's ``tv_loss``.

    A volume ``[d, h, w, c]`` has three differences. Values may be complex.

    ``beta`` 0.5 gives isotropic total variation, 1 the squared gradient. Where both
    differences are zero the derivative is defined as zero (for beta 0.5 it does not exist).
    """
    axes = range(image.ndim - 1)
    inner = (slice(-1),) * len(axes)
    ahead = [tuple(slice(1, None) if a == b else slice(-1) for b in axes) for a in axes]
    differences = [image[shifted] - image[inner] for shifted in ahead]
    square = functools.reduce(operator.add, map(losses.square_magnitude, differences))
    flat = square == 0
    return jnp.sum(jnp.where(flat, 0.0, jnp.where(flat, 1.0, square) ** beta))


def rank_correlation(uncertainty: np.ndarray, image: np.ndarray, reference: np.ndarray) -> float:
    """Returns Spearman's rank correlation of the uncertainty with the true error.

    Both are means over 8x8 pixels: a single pixel's error is one draw, which says little about
    its size. The result is 0 where either is constant.

    Args:
      uncertainty: ``[h, w]``, a standard deviation.
      image: ``[h, w, c]``.
      reference: ``[h, w, c]``, the true image.
    """
    from scipy.stats import rankdata  # most of a second to import

    error = np.mean((image - reference) ** 2, axis=2)
    blocks = [_block_means(error), _block_means(uncertainty**2)]
    if any(block.min() == block.max() for block in blocks):
        return 0.0
    return float(np.corrcoef([rankdata(block) for block in blocks])[0, 1])


def _block_means(square: np.ndarray, size: int = 8) -> np.ndarray:
    rows, columns = (max(1, length // size) for length in square.shape)
    high, wide = square.shape[0] // rows, square.shape[1] // columns
    cut = square[: rows * high, : columns * wide]
    return cut.reshape(rows, high, columns, wide).mean(axis=(1, 3)).ravel()
