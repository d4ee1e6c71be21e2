"""Masks, crops and resampling by one small matrix for the rows and one for the columns.

The cost of such matrices is nothing beside a network's. Their transposes (the gradients) are again
matrix products, and those run at full speed inside compiled loops, where XLA's convolution
gradients on a CPU do not.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.lax import Precision

from dip_jax.base import Array, Image


def mask(image: Image, known: Array) -> Image:
    """Keeps the known pixels: ``known`` is 1 where measured, 0 elsewhere, ``[h, w, 1]``."""
    return image * known


def resample(image: Image, rows: Array, columns: Array) -> Image:
    """Applies ``rows [h_out, h]`` and ``columns [w_out, w]`` to an image ``[h, w, c]``.

    The matrices come from :func:`resampling_matrix`. Full float32 precision is asked for
    explicitly, because accelerators default to fewer bits in matrix products.
    """
    tall = jnp.einsum("ah,hwc->awc", rows, image, precision=Precision.HIGHEST)
    return jnp.einsum("bw,awc->abc", columns, tall, precision=Precision.HIGHEST)


class Crop(NamedTuple):
    """The window ``[top : top + height, left : left + width]`` of an image.

    Hashable and compared by value, so equal windows share a compiled program.
    """

    top: int
    left: int
    height: int
    width: int

    def __call__(self, image: Any) -> Any:
        """Cuts the window out of ``[h, w, c]``, of jax's or of NumPy's kind."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def lanczos_taps(factor: int, support: int = 2, phase: float | None = None) -> np.ndarray:
    """Lanczos taps for downsampling by ``factor``, normalised to sum 1.

    Args:
      factor: integer ratio of sizes, at least 1.
      support: lobes on each side, 2 or 3 (Lanczos-2 is the paper's choice for its loss).
      phase: 0.5 centres a kernel of ``2 * support * factor`` taps between two pixels, 0
        centres one of ``2 * support * factor + 1`` taps on a pixel. When absent, the one
        that is centred on a large pixel: 0.5 for even factors, 0 for odd ones.

    Returns:
      float64 ``[taps]``.

    Raises:
      ValueError: for a factor below 1 or a phase other than 0 and 0.5.
    """
    if factor < 1:
        raise ValueError(f"factor={factor!r}: must be an integer of at least 1")
    if phase is None:
        phase = 0 if factor % 2 else 0.5
    if phase not in (0, 0.5):
        raise ValueError(f"phase={phase!r}: must be 0 or 0.5")
    count = 2 * support * factor + (phase == 0)
    position = (np.arange(count) - (count - 1) / 2) / factor
    # np.sinc(t) is sin(pi t) / (pi t). The outermost taps of phase 0 lie on |t| = support.
    taps = np.sinc(position) * np.sinc(position / support)
    return taps / taps.sum()


def lanczos_kernel(factor: int, support: int = 2, phase: float | None = None) -> np.ndarray:
    """The two-dimensional Lanczos kernel ``[taps, taps]``; see :func:`lanczos_taps`."""
    taps = lanczos_taps(factor, support, phase)
    return np.outer(taps, taps)


def gaussian_taps(width: int, sigma: float) -> np.ndarray:
    """``width`` Gaussian taps with a standard deviation of ``sigma`` pixels, sum 1.

    The original code's ``gauss12`` is ``gaussian_taps(7, 1.0)``, its ``gauss1sq2``
    ``gaussian_taps(9, 2**0.5)``.
    """
    if width < 1 or not sigma > 0:
        raise ValueError(f"width={width!r}, sigma={sigma!r}: both must be positive")
    position = np.arange(width) - (width - 1) / 2
    taps = np.exp(-(position**2) / (2 * sigma**2))
    return taps / taps.sum()


def resampling_matrix(size: int, taps: np.ndarray, factor: int = 1) -> np.ndarray:
    """One axis of a downsampling (or, with ``factor`` 1, of a blur) as a matrix.

    Pixels beyond the border repeat the border's, as in the original's ``Downsampler`` with
    ``preserve_size``. Taps are centred on the large pixel where their count allows it (even
    for even factors, odd for odd ones); otherwise, as in the original, output i is centred
    on pixel ``i * factor``.

    Args:
      size: pixels before; must be a multiple of ``factor``.
      taps: ``[k]``, from one of the functions above or your own.
      factor: integer step between outputs.

    Returns:
      float32 ``[size // factor, size]``; its rows sum to the sum of the taps.

    Raises:
      ValueError: when ``size`` is not a multiple of ``factor``.
    """
    source = resampling_sources(size, len(taps), factor)
    matrix = np.zeros((len(source), size))
    place = np.arange(len(source))[:, None], source
    np.add.at(matrix, place, np.broadcast_to(taps, source.shape))
    return matrix.astype(np.float32)


def resampling_sources(size: int, count: int, factor: int = 1) -> np.ndarray:
    """The pixels that ``count`` taps read for each output of :func:`resampling_matrix`.

    Returns:
      int ``[size // factor, count]``; at borders a pixel comes more than once.

    Raises:
      ValueError: when ``size`` is not a multiple of ``factor``.
    """
    if size % factor:
        raise ValueError(f"size={size}: must be a multiple of factor={factor}")
    before = (count - factor) // 2 if (count - factor) % 2 == 0 else (count - 1) // 2
    source = np.arange(size // factor)[:, None] * factor + np.arange(count) - before
    return np.clip(source, 0, size - 1)
