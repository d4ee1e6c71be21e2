"""Blur by any point spread function, through the Fourier transform.

The gradient of such a blur is another one: for 256x256 pixels in colour and back, 5 ms on two CPU
cores for kernels of any size, where sums over the kernel take 170 ms (9x9) to 3 s (31x31).
"""

import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Image


def convolve(image: Image, transfer: Array) -> Image:
    """Blurs ``[h, w, c]`` by a point spread function, each channel alike, as on a torus.

    Opposite borders are neighbours. If a picture lies on a canvas whose margins are as wide as
    :func:`reach` says, the picture's own pixels are blurred exactly, by whatever the margins
    hold; so compare these alone, by the weights ``known`` of :func:`dip_jax.tasks.observe`:
    nothing is then assumed of what lies outside the picture, and it does not ring at its border.

    >>> import jax.numpy as jnp
    >>> from jax.tree_util import Partial
    >>> from dip_jax import operators, tasks
    >>> transfer = jnp.asarray(transfer_function(operators.motion_kernel(5, 30), 32, 32))
    >>> task = tasks.observe(Partial(operators.convolve, transfer=transfer), jnp.zeros((32, 32, 3)))

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
