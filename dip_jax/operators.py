"""Measurement operators: functions from an image to what a camera or a file kept of it.

Operators are linear unless said otherwise. Their data (masks, kernels, resampling matrices)
are arguments, so that a task carries them as leaves of its pytree.

Downsampling and blurring are written as one small matrix for the rows and one for the
columns. Their cost is nothing beside a network's, their transposes (the gradients) are again
matrix products, and those run at full speed inside compiled loops, where XLA's convolution
gradients on a CPU do not. A blur that is no product of rows and columns goes through the
Fourier transform, whose gradient is another one: for 256x256 pixels in colour and back, 5 ms
on two CPU cores for kernels of any size, where sums over the kernel take 170 ms (9x9) to 3 s
(31x31).
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.lax import Precision

from dip_jax.base import Array, Image

_PLACES = 1000  # in a pixel, at which it is told how much of it a disk covers


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


def box_taps(factor: int) -> np.ndarray:
    """The mean over ``factor`` pixels."""
    if factor < 1:
        raise ValueError(f"factor={factor!r}: must be an integer of at least 1")
    return np.full(factor, 1 / factor)


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


def convolve(image: Image, transfer: Array) -> Image:
    """Blurs ``[h, w, c]`` by a point spread function, each channel alike, as on a torus.

    Opposite borders are neighbours. If a picture lies on a canvas whose margins are as wide as
    :func:`reach` says, the picture's own pixels are blurred exactly, by whatever the margins
    hold; so compare these alone, by the weights ``known`` of :func:`dip_jax.tasks.observe`:
    nothing is then assumed of what lies outside the picture, and it does not ring at its border.

    >>> import jax.numpy as jnp
    >>> from jax.tree_util import Partial
    >>> from dip_jax import tasks
    >>> transfer = jnp.asarray(transfer_function(motion_kernel(5, 30), 32, 32))
    >>> task = tasks.observe(Partial(convolve, transfer=transfer), jnp.zeros((32, 32, 3)))

    ``Partial`` makes the kernel an argument: another one, of any size, compiles nothing.

    Args:
      image: ``[h, w, c]``.
      transfer: complex ``[h, w // 2 + 1]``, of :func:`transfer_function` for the same h and w.

    Raises:
      ValueError: if ``transfer`` is for an image of another size.
    """
    height, width = image.shape[:2]
    if transfer.shape != (height, width // 2 + 1):
        raise ValueError(
            f"transfer has shape {transfer.shape}, but an image of {height} x {width} pixels "
            f"needs {(height, width // 2 + 1)}: make it by transfer_function(kernel, h, w)"
        )
    # Rows last: contiguous for the transform.
    spectrum = transfer[None] * jnp.fft.rfft2(jnp.moveaxis(image, -1, 0))
    return jnp.moveaxis(jnp.fft.irfft2(spectrum, s=(height, width)), 0, -1)


def transfer_function(kernel: np.ndarray, height: int, width: int) -> np.ndarray:
    """The Fourier transform of a point spread function, for :func:`convolve`.

    A white point at pixel [y, x] becomes the kernel, with ``kernel[k // 2, l // 2]`` at [y, x]
    (the middle, of odd sides), as of :func:`scipy.ndimage.convolve`. This is convolution, not
    correlation: the kernel is not mirrored.

    Args:
      kernel: ``[k, l]``, real; its sum is the factor on the brightness, so 1 for a blur.
      height: of the images to be blurred, at least k.
      width: likewise, at least l.

    Returns:
      complex64 ``[height, width // 2 + 1]``.

    Raises:
      ValueError: for a kernel that is not of two axes, is empty, larger than the image, or
        holds values that are not finite.
    """
    kernel = np.asarray(kernel, np.float64)
    rows, columns = _sides(kernel)
    if rows > height or columns > width:
        raise ValueError(
            f"kernel of {rows} x {columns} pixels: larger than the image, {height} x {width}"
        )
    if not np.isfinite(kernel).all():
        raise ValueError("kernel: holds values that are not finite")
    canvas = np.zeros((height, width))
    canvas[:rows, :columns] = kernel
    centred = np.roll(canvas, (-(rows // 2), -(columns // 2)), axis=(0, 1))
    return np.fft.rfft2(centred).astype(np.complex64)


def reach(kernel: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many pixels ``(above, below), (left, right)`` of a picture its blurred copy depends on.

    ``kernel`` is ``[k, l]``, as for :func:`transfer_function`.

    Raises:
      ValueError: for a kernel that is not of two axes, or is empty.
    """
    above, left = ((side - 1) // 2 for side in _sides(np.asarray(kernel)))
    below, right = (side // 2 for side in np.shape(kernel))
    return (above, below), (left, right)


def _sides(kernel: np.ndarray) -> tuple[int, int]:
    if kernel.ndim != 2 or not kernel.size:
        raise ValueError(f"kernel has shape {kernel.shape}: must be [rows, columns], not empty")
    return kernel.shape


def gaussian_kernel(sigma: float) -> np.ndarray:
    """A Gaussian point spread function with a standard deviation of ``sigma`` pixels.

    Returns:
      float64 ``[k, k]`` with sum 1, cut off at 4 sigma: k is 2 ceil(4 sigma) + 1.

    Raises:
      ValueError: unless ``sigma`` is finite and above 0.
    """
    _check_size("sigma", sigma)
    taps = gaussian_taps(2 * math.ceil(4 * sigma) + 1, sigma)
    return np.outer(taps, taps)


def box_kernel(width: float) -> np.ndarray:
    """The mean over a square of ``width`` pixels a side, centred on a pixel.

    Pixels that the square covers in part, as the outermost ones of an even width, get the
    covered share of a whole one's weight.

    Returns:
      float64 ``[k, k]`` with sum 1, k the least odd integer of at least ``width``.

    Raises:
      ValueError: unless ``width`` is finite and above 0.
    """
    _check_size("width", width)
    position = _positions(width / 2)
    taps = np.clip(width / 2 + 0.5 - np.abs(position), 0, min(width, 1.0))
    taps = taps / taps.sum()
    return np.outer(taps, taps)


def disk_kernel(radius: float) -> np.ndarray:
    """A disk of constant brightness with a radius in pixels: a lens out of focus.

    Pixels on the edge get the share of a whole one's weight that the disk covers of them.

    Returns:
      float64 ``[k, k]`` with sum 1, k the least odd integer of at least ``2 * radius``.

    Raises:
      ValueError: unless ``radius`` is finite and above 0.
    """
    _check_size("radius", radius)
    position = _positions(radius)
    # In each column at many places, up to where the disk reaches there, exactly in each row.
    places = (np.arange(_PLACES) + 0.5) / _PLACES - 0.5
    half = np.sqrt(np.maximum(radius**2 - (position[:, None] + places) ** 2, 0))
    top, bottom = position[:, None, None] + 0.5, position[:, None, None] - 0.5
    covered = np.minimum(top, half) - np.maximum(bottom, -half)
    kernel = np.maximum(covered, 0).mean(-1)
    kernel = kernel + kernel.T  # as close along rows as along columns
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """A point that moved along a straight line at constant speed while the shutter was open.

    Each pixel gets the share of the path that lies in it. So 15 pixels at an angle of 0 are
    the mean over 15 pixels of a row.

    Args:
      length: of the path in pixels.
      angle: of the path, in degrees, anticlockwise from the rows: 90 is up and down. Its sign
        matters, its sense does not: 30 and 210 are the same.

    Returns:
      float64 ``[k, l]`` with sum 1, of the least odd sides that hold the path, centred.

    Raises:
      ValueError: unless ``length`` is finite and above 0, and ``angle`` finite.
    """
    _check_size("length", length)
    if not math.isfinite(angle):
        raise ValueError(f"angle={angle!r}: must be finite")
    direction = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    direction[np.abs(direction) < 1e-12] = 0  # of right angles, exactly
    reaches = [len(_positions(length / 2 * abs(part))) // 2 for part in direction]
    # The path, from -1/2 to 1/2 of its length, is cut where it goes from pixel to pixel.
    cuts = [np.array([-0.5, 0.5])]
    for part, most in zip(direction, reaches, strict=True):
        if part:
            cuts.append((np.arange(-most, most) + 0.5) / (part * length))
    cuts = np.unique(np.clip(np.concatenate(cuts), -0.5, 0.5))
    middles = (cuts[1:] + cuts[:-1]) / 2 * length
    rows, columns = (
        np.rint(part * middles).astype(int) + most
        for part, most in zip(direction, reaches, strict=True)
    )
    kernel = np.zeros([2 * most + 1 for most in reaches])
    np.add.at(kernel, (rows, columns), np.diff(cuts))
    kernel = kernel + kernel[::-1, ::-1]  # where it passes through corners, on either side alike
    return kernel / kernel.sum()


def _positions(half: float) -> np.ndarray:
    """The pixels around 0 that ``half`` reaches into from there, with 0 in the middle."""
    most = max(0, math.ceil(half - 0.5 - 1e-9))
    return np.arange(-most, most + 1.0)


def _check_size(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r}: must be finite and above 0")
