"""Convolutions of unbatched maps, in the forms that CPUs and GPUs compute fast."""

import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array
from dip_jax.generators.linear import extend

PADDINGS = ("zero", "reflect", "edge")
LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve(x: Array, kernel: Array, *, stride: int = 1, padding: str = "zero") -> Array:
    """Convolves ``[h, w, c_in]`` with an odd ``[k, k, c_in, c_out]``.

    ``padding`` keeps the size at stride 1 and halves an even size at stride 2.
    ``"edge"`` repeats the border pixel, ``"reflect"`` mirrors about it. A map smaller than
    the padding is mirrored repeatedly, and a map of one pixel repeats it (``jnp.pad``
    follows NumPy here), so that the coarsest scale may be one pixel wide.
    """
    kernel = kernel.astype(x.dtype)
    if kernel.shape[:2] == (1, 1) and stride == 1:
        # On a CPU, XLA's convolution would transpose the whole map for the gradient.
        return (x.reshape(-1, x.shape[2]) @ kernel[0, 0]).reshape(*x.shape[:2], -1)
    size = kernel.shape[0]
    height, width, channels = x.shape
    x = padded(x, size // 2, padding)
    if stride == 1 and size * size * channels <= kernel.shape[3]:
        # Of few channels a convolution computes little and is slow; as a matrix product of
        # all windows it takes two thirds of the time on a CPU, and half on a GPU.
        corners = [(i, j) for i in range(size) for j in range(size)]
        windows = jnp.concatenate([x[i : i + height, j : j + width] for i, j in corners], axis=2)
        return windows @ kernel.reshape(-1, kernel.shape[3])
    return lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=LAYOUT
    )[0]


def padded(x: Array, border: int, padding: str) -> Array:
    """``x`` with ``border`` more pixels on each side, ``padding`` as for :func:`convolve`."""
    if border == 0:
        return x
    if padding == "zero":
        # Not by the convolution itself: on a CPU its gradient is then slow, with an even
        # kernel forty times as slow.
        return jnp.pad(x, ((border, border), (border, border), (0, 0)))
    return extend(x, border, padding)
