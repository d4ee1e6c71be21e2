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


def _primitive(
    name: str,
    forward: Callable[..., Array],
    shape: Callable[..., tuple[int, ...]],
    transpose: Callable[..., Array],
) -> Primitive:
    """``transpose(cotangent, shape of the argument, **parameters)``."""

    def abstract(x: Any, **parameters: Any) -> Any:
        return x.update(shape=shape(x.shape, **parameters), weak_type=False)

    def transposed(cotangent: Array, x: Any, **parameters: Any) -> list[Array]:
        return [transpose(cotangent, x.aval.shape, **parameters)]

    def batch(args: tuple, dims: tuple, **parameters: Any) -> tuple[Array, int]:
        # The map has no eye for further axes: the batch becomes the last of them.
        (x,), (dim,) = args, dims
        result = primitive.bind(jnp.moveaxis(x, dim, -1), **parameters)
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
