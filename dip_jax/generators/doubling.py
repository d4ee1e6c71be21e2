"""Upsampling by two: plain, and folded into the operation that follows, without computing it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dip_jax.base import Array
from dip_jax.generators.convolution import LAYOUT, pad
from dip_jax.generators.linear import add_border, extend, mean, smooth

UPSAMPLINGS = ("nearest", "bilinear")

# For a 3-tap kernel on a map of repeated pixels: [phase, t, i] is 1 if tap i falls on coarse
# pixel t of two neighbours, for the fine pixel before (0) or after (1) their boundary.
_TAPS_OF_PHASE = (((1, 1, 0), (0, 0, 1)), ((1, 0, 0), (0, 1, 1)))
# Bilinear upsampling is nearest upsampling followed by this filter along each axis.
_BILINEAR = (1 / 4, 1 / 2, 1 / 4)
# Bilinear upsampling followed by its transpose, divided by 2, along one axis.
_BILINEAR_TWICE = (3 / 16, 5 / 8, 3 / 16)


class Doubled(NamedTuple):
    """Represents the upsampling of ``x [h, w, c]`` to ``[2h, 2w, c]`` without computing it.

    A norm of the upsampled map needs only ``x``. A 3x3 convolution of it reduces to one of
    ``x`` with fewer products, see :func:`convolve_doubled`.
    """

    x: Array
    kind: str
    """``"nearest"`` or ``"bilinear"``, see :func:`upsample`."""


def upsample(x: Array, kind: str) -> Array:
    """Upsamples ``[h, w, c]`` by two: ``"nearest"`` repeats pixels, ``"bilinear"`` interpolates.

    Of a volume ``[d, h, w, c]``, it doubles all three sides.

    Bilinear is PyTorch's with ``align_corners=False``: half-pixel centres, weights of 1/4 and
    3/4, and a repeated border. Slices are faster than ``jax.image.resize``.
    """
    for axis in range(x.ndim - 1):
        x = jnp.repeat(x, 2, axis) if kind == "nearest" else _double_bilinear(x, axis)
    return x


def _double_bilinear(x: Array, axis: int) -> Array:
    size = x.shape[axis]
    first = lax.slice_in_dim(x, 0, 1, axis=axis)
    last = lax.slice_in_dim(x, size - 1, size, axis=axis)
    before = jnp.concatenate([first, lax.slice_in_dim(x, 0, size - 1, axis=axis)], axis)
    after = jnp.concatenate([lax.slice_in_dim(x, 1, size, axis=axis), last], axis)
    even, odd = 0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after
    shape = (*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    return jnp.stack([even, odd], axis + 1).reshape(shape)


def convolve_doubled(part: Doubled, kernel: Array, *, padding: str) -> Array:
    """Convolves the upsampling of ``part.x`` with a 3x3 kernel, at the coarse scale.

    Nearest: the four fine pixels around a corner of coarse pixels see the same 2x2 coarse
    pixels. So each is a 2x2 convolution of ``x`` whose taps are sums of the kernel's taps: 16
    products instead of 36. Reflecting the fine map equals repeating the coarse border pixel.

    Bilinear: the filter that turns nearest into bilinear upsampling is applied after the
    convolution, with a correction at the border.

    Both equal the plain form up to rounding.
    """
    x, kind = part
    height, width, channels = x.shape
    features = kernel.shape[-1]
    kernel = kernel.astype(jnp.promote_types(kernel.dtype, x.dtype))
    taps = np.array(_TAPS_OF_PHASE)
    # One convolution for all phases: faster on an accelerator, no slower on a CPU.
    taps = np.einsum("ati,bsj->ijtsab", taps, taps)[:, :, :, :, None, :, :, None]
    phases = jnp.sum(taps.astype(kernel.dtype) * kernel[:, :, None, None, :, None, None], (0, 1))
    phases, kernel = phases.astype(x.dtype), kernel.astype(x.dtype)
    zero = (kind, padding) == ("nearest", "zero")
    y = lax.conv_general_dilated(
        pad(x, 1, "zero" if zero else "edge")[None],
        phases.reshape(2, 2, channels, 4 * features),
        (1, 1),
        "VALID",
        dimension_numbers=LAYOUT,
    )[0].reshape(height + 1, width + 1, 2, 2, features)
    # The fine map, with one extra pixel on each side.
    y = y.transpose(0, 2, 1, 3, 4).reshape(2 * height + 2, 2 * width + 2, features)
    if kind == "nearest":
        return y[1:-1, 1:-1]
    y = smooth(y, _BILINEAR)
    if padding == "edge":
        return y
    return add_border(y, *lax.optimization_barrier(_border_terms(x, kernel, padding)))


def _border_terms(x: Array, kernel: Array, padding: str) -> tuple[Array, Array]:
    """Returns how the border of the result with ``padding`` differs from that with ``"edge"``.

    Returns rows ``[2, 2 w, features]`` and columns ``[2 h, 2, features]``. The two paddings
    differ in the ring of pixels around the upsampled map. The rows of the difference, corners
    included, are convolved with the kernel's first and last row; the columns likewise.
    """
    terms = []
    for axis in (0, 1):
        last = x.shape[axis] - 1
        outer, inner = (
            # Without the barriers, a GPU's compiler computes all this at every pixel of a map.
            lax.optimization_barrier(_take_lines(x, indices, axis))
            for indices in ((0, last), (min(1, last), max(0, last - 1)))
        )
        first = _double_bilinear(outer, 1)
        second = _double_bilinear(0.75 * outer + 0.25 * inner, 1)
        beyond = jnp.zeros_like(second) if padding == "zero" else second
        sides = ((0, 0), (1, 1), (0, 0))
        if axis == 0:
            mode = "constant" if padding == "zero" else padding
            ring = jnp.pad(beyond, sides, mode=mode) - jnp.pad(first, sides, mode="edge")
        else:
            ring = jnp.pad(beyond - first, sides)
        windows = jnp.concatenate([ring[:, i : i + first.shape[1]] for i in range(3)], axis=2)
        taps = _take_lines(kernel, (0, 2), axis).reshape(2, -1, kernel.shape[-1])
        terms.append(jnp.swapaxes(windows @ taps, 0, axis))
    return terms[0], terms[1]


def _take_lines(x: Array, indices: tuple[int, ...], axis: int) -> Array:
    """Takes rows (``axis`` 0) or columns (1) of ``x`` and makes them the first axis."""
    lines = [lax.slice_in_dim(x, i, i + 1, axis=axis) for i in indices]
    return jnp.swapaxes(jnp.concatenate(lines, axis), 0, axis)


@jax.custom_jvp
def doubled_square(x: Array) -> Array:
    """Returns the mean square of each channel of the bilinear upsampling of ``x``."""
    return mean(x * _upsample_and_transpose(x))


@doubled_square.defjvp
def _doubled_square_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The quadratic form is symmetric: value and gradient share one filter.
    (x,), (tangent,) = primals, tangents
    filtered = _upsample_and_transpose(x)
    return mean(x * filtered), 2 * mean(filtered * tangent)


def _upsample_and_transpose(x: Array) -> Array:
    """Applies bilinear upsampling and its transpose; both amount to repeating the border."""
    return smooth(extend(x, 1, "edge"), _BILINEAR_TWICE)
