"""White noise made as correlated as a picture's: between neighbours and between channels."""

import jax.numpy as jnp

from dip_jax.base import Array, ArrayLike


def kernel_transfer(kernel: ArrayLike, height: int, width: int) -> Array:
    """Returns the transfer function ``[h, w // 2 + 1, c, c]`` of a filter on a picture's canvas.

    Args:
      kernel: ``[k, l, c, c]``, k and l odd: the output channel before the input channel.
      height: of the canvas. A filter that is larger wraps around.
      width: likewise.
    """
    kernel = jnp.asarray(kernel)
    rows, columns = (jnp.arange(size) - size // 2 for size in kernel.shape[:2])
    canvas = jnp.zeros((height, width, *kernel.shape[2:]))
    canvas = canvas.at[rows[:, None] % height, columns[None, :] % width].add(kernel)
    return jnp.fft.rfft2(canvas, axes=(0, 1))


def color(white: Array, transfer: Array | None) -> Array:
    """Filters white noise ``[h, w, c]``, which wraps around; None leaves it white."""
    if transfer is None:
        return white
    spectrum = jnp.fft.rfft2(white, axes=(0, 1))
    mixed = jnp.einsum("hwij,hwj->hwi", transfer, spectrum)
    return jnp.fft.irfft2(mixed, s=white.shape[:2], axes=(0, 1))
