"""Convolutions of unbatched maps, in the forms that run fast on CPUs and GPUs."""

import functools
import operator

import jax
import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array
from dip_jax.generators.linear import extend

PADDINGS = ("zero", "reflect", "edge")
LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve(x: Array, kernel: Array, *, stride: int = 1, padding: str = "zero") -> Array:
    """Convolves ``[h, w, c_in]`` with a kernel ``[k, k, c_in, c_out]`` of odd size.

    Likewise a volume ``[d, h, w, c_in]`` with a kernel ``[k, k, k, c_in, c_out]``.

    The padding keeps the size at stride 1 and halves an even size at stride 2. ``"edge"``
    repeats the border pixel; ``"reflect"`` mirrors about it. As in NumPy, a map smaller than
    the padding is mirrored repeatedly and a single pixel is repeated, so the coarsest scale
    may be one pixel wide.
    """
    kernel = kernel.astype(x.dtype)
    size = kernel.shape[0]
    if size == stride == 1:
        # On a CPU, XLA's convolution transposes the whole map for the gradient.
        return matmul(x, kernel[(0,) * (kernel.ndim - 2)])
    if x.ndim == 4:
        return _convolve_volume(x, kernel, stride, padding)
    height, width, channels = x.shape
    x = pad(x, size // 2, padding)
    if stride == 1 and size * size * channels <= kernel.shape[3]:
        # A convolution of few channels is slow for its few operations. As one matrix product
        # of all windows it takes two thirds of the time on a CPU, and half on a GPU.
        corners = [(i, j) for i in range(size) for j in range(size)]
        windows = jnp.concatenate([x[i : i + height, j : j + width] for i, j in corners], axis=2)
        return matmul(windows, kernel.reshape(-1, kernel.shape[3]))
    halves = stride == 2 and size > 1 and height % 2 == width % 2 == 0
    if halves and jax.default_backend() == "cpu":
        return _convolve_phases(x, kernel)
    return lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=LAYOUT
    )[0]


def matmul(x: Array, matrix: Array) -> Array:
    """Returns ``x @ matrix`` for ``[..., c_in]`` and ``[c_in, c_out]``, with pixels as one axis.

    With two pixel axes the gradient of the matrix is a sum over both. For that, XLA on a CPU
    transposes the whole map, with strides that take longer than the rest of the convolution.
    """
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], -1)


def _convolve_volume(x: Array, kernel: Array, stride: int, padding: str) -> Array:
    """Sums convolutions of a volume's planes, whose forms are fast: one for each of the kernel."""
    size, planes = kernel.shape[0], x.shape[0]
    mode = "constant" if padding == "zero" else padding
    x = jnp.pad(x, ((size // 2, size // 2), (0, 0), (0, 0), (0, 0)), mode=mode)
    last = stride * (-(-planes // stride) - 1)
    one = functools.partial(convolve, stride=stride, padding=padding)
    terms = [
        jax.vmap(one, (0, None))(x[first : first + last + 1 : stride], kernel[first])
        for first in range(size)
    ]
    return functools.reduce(operator.add, terms)


def _convolve_phases(x: Array, kernel: Array) -> Array:
    """Convolves a padded ``x`` of even height and width with an odd kernel at stride 2.

    Even and odd rows and columns are convolved separately with the taps that fall on them:
    four convolutions of stride 1 with the same number of products. On a CPU, XLA computes the
    gradient of a convolution of stride 2 from a map full of zeros, at half the speed.
    """
    height, width, channels = x.shape
    x = x.reshape(height // 2, 2, width // 2, 2, channels)
    terms = []
    for row in (0, 1):
        for column in (0, 1):
            taps = kernel[row::2, column::2]
            # An odd phase has one tap fewer and does not need its last line.
            phase = x[: height // 2 - row, row, : width // 2 - column, column]
            terms.append(
                matmul(phase, taps[0, 0])
                if taps.shape[:2] == (1, 1)
                else lax.conv_general_dilated(
                    phase[None], taps, (1, 1), "VALID", dimension_numbers=LAYOUT
                )[0]
            )
    return functools.reduce(operator.add, terms)


def pad(x: Array, border: int, padding: str) -> Array:
    """Adds ``border`` pixels on each side of ``x``, ``padding`` as for :func:`convolve`."""
    if border == 0:
        return x
    if padding == "zero":
        # Padding in the convolution itself makes its gradient slow on a CPU: forty times
        # slower with an even kernel.
        return jnp.pad(x, ((border, border), (border, border), (0, 0)))
    return extend(x, border, padding)
