"""Linear maps whose transposes are written out, for speed.

All act on the first two axes, height and width, of an array with any further axes. JAX would
derive their transposes too, but XLA then computes on a CPU sums of padded arrays with a test
at each value, or reductions in many small steps, at several times the cost
(docs/performance.md). They are primitives rather than ``jax.custom_vjp`` functions, so that
forward mode, higher derivatives and ``vmap`` work as ever.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from dip_jax.base import Array

Taps = tuple[float, float, float]

_SMALL = 32 * 32  # pixels, whose sum needs no second stage


def smooth(x: Array, taps: Taps) -> Array:
    """Filters ``[h + 2, w + 2, ...]`` to ``[h, w, ...]`` along both axes.

    ``taps`` are symmetric: the first equals the last.
    """
    return _smooth.bind(x, taps=taps)


def extend(x: Array, border: int, mode: str) -> Array:
    """``jnp.pad`` of ``border`` pixels on all four sides, ``mode`` ``"edge"`` or ``"reflect"``."""
    pads = _pads(x.ndim, border)
    if min(x.shape[:2]) <= border:  # mirrored more than once
        return jnp.pad(x, pads, mode=mode)
    return _extend.bind(x, border=border, mode=mode)


def add_border(x: Array, rows: Array, columns: Array) -> Array:
    """``x [h, w, ...]``, ``h`` and ``w`` at least 2, with more at its outermost pixels.

    ``rows [2, w, ...]`` are added to its first and last row, ``columns [h, 2, ...]`` to its
    first and last column.
    """
    return _add_border.bind(x, rows, columns)


def total(x: Array) -> Array:
    """The sum over all pixels, ``[h, w, ...] -> [...]``.

    A GPU sums a map with a few of its processors alone, unless one axis is summed first, so that
    there is a sum for each column and channel; which does not pay for the smallest of maps.
    """
    return _total.bind(x)


def mean(x: Array) -> Array:
    """As :func:`total`, over the number of pixels."""
    return total(x) / (x.shape[0] * x.shape[1])


def spread(values: Array, size: tuple[int, ...]) -> Array:
    """The same ``values [...]`` at each of ``h, w`` pixels, ``[h, w, ...]``."""
    return _spread.bind(values, size=size)


def _primitive(
    name: str,
    forward: Callable[..., Array],
    shape: Callable[..., tuple[int, ...]],
    transpose: Callable[..., Array],
) -> Primitive:
    """Of one array; ``transpose(cotangent, shape of the argument, **parameters)``."""

    def abstract(x: Any, **parameters: Any) -> Any:
        return x.update(shape=shape(x.shape, **parameters), weak_type=False)

    def transposed(cotangent: Array, x: Any, **parameters: Any) -> list[Array]:
        return [transpose(cotangent, x.aval.shape, **parameters)]

    return _registered(name, forward, abstract, transposed)


def _registered(
    name: str,
    forward: Callable[..., Array],
    abstract: Callable[..., Any],
    transposed: Callable[..., list[Array]],
) -> Primitive:
    def batch(args: tuple, dims: tuple, **parameters: Any) -> tuple[Array, int]:
        # The map has no eye for further axes: the batch becomes the last of them.
        size = next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)
        last = [
            jnp.moveaxis(batching.bdim_at_front(x, d, size), 0, -1)
            for x, d in zip(args, dims, strict=True)
        ]
        result = primitive.bind(*last, **parameters)
        return result, result.ndim - 1

    primitive = Primitive(name)
    primitive.def_impl(forward)
    primitive.def_abstract_eval(abstract)
    ad.deflinear2(primitive, transposed)
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, mlir.lower_fun(forward, multiple_results=False))
    return primitive


def _filter(x: Array, taps: Taps) -> Array:
    height, width = x.shape[0] - 2, x.shape[1] - 2
    windows = [
        a * b * x[i : i + height, j : j + width]
        for i, a in enumerate(taps)
        for j, b in enumerate(taps)
    ]
    return sum(windows[1:], windows[0])


def _filter_transposed(cotangent: Array, shape: tuple[int, ...], taps: Taps) -> Array:
    return smooth(jnp.pad(cotangent, _pads(len(shape), 2)), taps)


def _extend_transposed(cotangent: Array, shape: tuple[int, ...], border: int, mode: str) -> Array:
    """The inner part, with the border added to where it came from, in place."""
    result = cotangent
    for axis, size in enumerate(shape[:2]):
        first, inner, last = jnp.split(result, (border, border + size), axis)
        if mode == "edge":
            first, last = (jnp.sum(part, axis, keepdims=True) for part in (first, last))
            starts = (0, size - 1)
        else:
            first, last = jnp.flip(first, axis), jnp.flip(last, axis)
            starts = (1, size - 1 - border)
        for part, start in zip((first, last), starts, strict=True):
            lines = lax.slice_in_dim(inner, start, start + part.shape[axis], axis=axis) + part
            inner = lax.dynamic_update_slice_in_dim(inner, lines, start, axis)
        result = inner
    return result


def _sum_of_pixels(x: Array) -> Array:
    if x.shape[0] * x.shape[1] <= _SMALL:
        return jnp.sum(x, axis=(0, 1))
    # The barrier keeps the compiler from making one sum of the two.
    return jnp.sum(lax.optimization_barrier(jnp.sum(x, axis=0)), axis=0)


def _bordered(x: Array, rows: Array, columns: Array) -> Array:
    for axis, lines in ((0, rows), (1, columns)):
        ends = _border(x, axis) + lines
        for index, start in ((0, 0), (1, x.shape[axis] - 1)):
            line = lax.slice_in_dim(ends, index, index + 1, axis=axis)
            x = lax.dynamic_update_slice_in_dim(x, line, start, axis)
    return x


def _border(x: Array, axis: int) -> Array:
    ends = [lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, x.shape[axis] - 1)]
    return jnp.concatenate(ends, axis)


def _pads(ndim: int, border: int) -> tuple[tuple[int, int], ...]:
    return ((border, border),) * 2 + ((0, 0),) * (ndim - 2)


_smooth = _primitive(
    "smooth",
    _filter,
    lambda shape, taps: (shape[0] - 2, shape[1] - 2, *shape[2:]),
    _filter_transposed,
)
_extend = _primitive(
    "extend",
    lambda x, border, mode: jnp.pad(x, _pads(x.ndim, border), mode=mode),
    lambda shape, border, mode: (shape[0] + 2 * border, shape[1] + 2 * border, *shape[2:]),
    _extend_transposed,
)
_total = _primitive(
    "total",
    _sum_of_pixels,
    lambda shape: shape[2:],
    lambda cotangent, shape: spread(cotangent, shape[:2]),
)
_spread = _primitive(
    "spread",
    lambda values, size: jnp.broadcast_to(values, (*size, *values.shape)),
    lambda shape, size: (*size, *shape),
    lambda cotangent, shape, size: total(cotangent),
)
_add_border = _registered(
    "add_border",
    _bordered,
    lambda x, rows, columns: x.update(weak_type=False),
    lambda cotangent, *_: [cotangent, _border(cotangent, 0), _border(cotangent, 1)],
)
