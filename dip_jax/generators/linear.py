"""Linear maps with hand-written transposes, for speed.

All act on the first two axes, height and width, of an array with any further axes. The
transposes that JAX derives are several times as slow on a CPU: XLA turns them into sums of
padded arrays with a test at each value, or reductions in many small steps
(experiments/notes/performance.md). The maps are primitives rather than ``jax.custom_vjp``
functions, so that forward mode, higher derivatives and ``vmap`` work.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from dip_jax.base import Array

Taps = tuple[float, float, float]

_SMALL = 32 * 32  # number of pixels up to which a sum is taken in one stage


def smooth(x: Array, taps: Taps) -> Array:
    """Filters ``[h + 2, w + 2, ...]`` to ``[h, w, ...]`` along both axes.

    ``taps`` are symmetric: the first equals the last.
    """
    return _smooth.bind(x, taps=taps)


def extend(x: Array, border: int, mode: str) -> Array:
    """Pads all four sides by ``border`` pixels, as ``jnp.pad`` with ``"edge"`` or ``"reflect"``."""
    pads = _pad_widths(x.ndim, border)
    if min(x.shape[:2]) <= border:  # reflected more than once
        return jnp.pad(x, pads, mode=mode)
    return _extend.bind(x, border=border, mode=mode)


def add_border(x: Array, rows: Array, columns: Array) -> Array:
    """Adds values to the outermost pixels of ``x [h, w, ...]``, ``h`` and ``w`` at least 2.

    ``rows [2, w, ...]`` are added to the first and last row, ``columns [h, 2, ...]`` to the
    first and last column.
    """
    return _add_border.bind(x, rows, columns)


def total(x: Array) -> Array:
    """Sums over all pixels, ``[h, w, ...] -> [...]``.

    A GPU would use only a few of its processors for one sum per channel. So one axis is summed
    first, with one sum per column and channel. For the smallest maps this does not pay.
    """
    return _total.bind(x)


def mean(x: Array) -> Array:
    """Averages over all pixels, ``[h, w, ...] -> [...]``."""
    return total(x) / (x.shape[0] * x.shape[1])


def spread(values: Array, size: tuple[int, ...]) -> Array:
    """Repeats ``values [...]`` at each pixel of ``size``, ``(h, w)``: ``[h, w, ...]``."""
    return _spread.bind(values, size=size)


def _define_unary(
    name: str,
    forward: Callable[..., Array],
    shape: Callable[..., tuple[int, ...]],
    transpose: Callable[..., Array],
) -> Primitive:
    """Defines a primitive of one array.

    ``transpose`` is called as ``transpose(cotangent, shape of the argument, **parameters)``.
    """

    def abstract(x: Any, **parameters: Any) -> Any:
        return x.update(shape=shape(x.shape, **parameters), weak_type=False)

    def transpose_all(cotangent: Array, x: Any, **parameters: Any) -> list[Array]:
        return [transpose(cotangent, x.aval.shape, **parameters)]

    return _define(name, forward, abstract, transpose_all)


def _define(
    name: str,
    forward: Callable[..., Array],
    abstract: Callable[..., Any],
    transpose: Callable[..., list[Array]],
) -> Primitive:
    """Defines a primitive with its implementation, shape, transpose, batching and lowering."""

    def batch(args: tuple, dims: tuple, **parameters: Any) -> tuple[Array, int]:
        # The maps accept any further axes: the batch becomes the last one.
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
    ad.deflinear2(primitive, transpose)
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


def _transpose_filter(cotangent: Array, shape: tuple[int, ...], taps: Taps) -> Array:
    return smooth(jnp.pad(cotangent, _pad_widths(len(shape), 2)), taps)


def _transpose_extend(cotangent: Array, shape: tuple[int, ...], border: int, mode: str) -> Array:
    """Adds the border, in place, to the pixels of the inner part that it was copied from."""
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


def _sum_pixels(x: Array) -> Array:
    if x.shape[0] * x.shape[1] <= _SMALL:
        return jnp.sum(x, axis=(0, 1))
    # The barrier keeps the compiler from merging the two sums.
    return jnp.sum(lax.optimization_barrier(jnp.sum(x, axis=0)), axis=0)


def _add_lines(x: Array, rows: Array, columns: Array) -> Array:
    for axis, lines in ((0, rows), (1, columns)):
        ends = _take_ends(x, axis) + lines
        for index, start in ((0, 0), (1, x.shape[axis] - 1)):
            line = lax.slice_in_dim(ends, index, index + 1, axis=axis)
            x = lax.dynamic_update_slice_in_dim(x, line, start, axis)
    return x


def _take_ends(x: Array, axis: int) -> Array:
    """Takes the first and the last line along ``axis``."""
    ends = [lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, x.shape[axis] - 1)]
    return jnp.concatenate(ends, axis)


def _pad_widths(ndim: int, border: int) -> tuple[tuple[int, int], ...]:
    return ((border, border),) * 2 + ((0, 0),) * (ndim - 2)


_smooth = _define_unary(
    "smooth",
    _filter,
    lambda shape, taps: (shape[0] - 2, shape[1] - 2, *shape[2:]),
    _transpose_filter,
)
_extend = _define_unary(
    "extend",
    lambda x, border, mode: jnp.pad(x, _pad_widths(x.ndim, border), mode=mode),
    lambda shape, border, mode: (shape[0] + 2 * border, shape[1] + 2 * border, *shape[2:]),
    _transpose_extend,
)
_total = _define_unary(
    "total",
    _sum_pixels,
    lambda shape: shape[2:],
    lambda cotangent, shape: spread(cotangent, shape[:2]),
)
_spread = _define_unary(
    "spread",
    lambda values, size: jnp.broadcast_to(values, (*size, *values.shape)),
    lambda shape, size: (*size, *shape),
    lambda cotangent, shape, size: total(cotangent),
)
_add_border = _define(
    "add_border",
    _add_lines,
    lambda x, rows, columns: x.update(weak_type=False),
    lambda cotangent, *_: [cotangent, _take_ends(cotangent, 0), _take_ends(cotangent, 1)],
)
