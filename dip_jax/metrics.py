"""Scores that dm_pix lacks: the luma protocol of super-resolution, total variation."""

import dm_pix
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Image, Scalar


def psnr(image: Image, reference: Image, region: Array | None = None) -> Scalar:
    """Peak signal-to-noise ratio in dB over all pixels and channels; peak 1.

    ``region [h, w, 1]`` is 1 where pixels count and 0 elsewhere; all count when absent.
    """
    if region is None:
        return jnp.asarray(dm_pix.psnr(image, reference))
    square = jnp.mean(region * (image - reference) ** 2) / jnp.mean(region)
    return -10 * jnp.log10(square)


def luma(image: Image) -> Image:
    """BT.601 luma ``[h, w, 1]`` of an RGB image, on the scale 16/255 to 235/255.

    A grey image ``[h, w, 1]`` is taken as RGB with three equal channels.
    """
    if image.shape[-1] == 1:
        return (16 + 219 * image) / 255
    weights = jnp.array([[[65.481, 128.553, 24.966]]], image.dtype)
    return (16 + jnp.sum(image * weights, axis=-1, keepdims=True)) / 255


def psnr_luma(image: Image, reference: Image, border: int = 4) -> Scalar:
    """PSNR in dB of the luma, ``border`` pixels off each side.

    The protocol of the paper's super-resolution tables (its evaluation script: 16..235 luma,
    data range 1, four pixels off). A border that would leave nothing is not applied.
    """
    if min(image.shape[:2]) <= 2 * border:
        border = 0
    inner = slice(border, -border or None)
    return psnr(luma(image)[inner, inner], luma(reference)[inner, inner])


def total_variation(image: Image, beta: float = 0.5) -> Scalar:
    """Sum over pixels of ``(dx**2 + dy**2) ** beta``; the original's ``tv_loss``.

    ``beta`` 0.5 is isotropic total variation, 1 the squared gradient. Where both differences
    are zero the gradient is taken as zero (for beta 0.5 it does not exist).
    """
    down = image[1:, :-1] - image[:-1, :-1]
    right = image[:-1, 1:] - image[:-1, :-1]
    square = down**2 + right**2
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
