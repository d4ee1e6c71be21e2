"""Rewrites convolutions inside loops to the layout that XLA runs fast on a CPU.

XLA's CPU compiler has a fast routine for convolutions in batch-height-width-channels order.
Outside loops, it transposes other layouts to that order. In the body of a scan or a while
loop it does not, and falls back to code about twenty times slower (jax issue 12868). The
gradients that JAX derives for a convolution are affected.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun

from dip_jax.base import Array
from dip_jax.compilation import jit


def canonical(function: Callable, *, everywhere: bool = False) -> Callable:
    """Returns ``function`` with the convolutions inside its loops in the fast layout.

    Use it directly under ``jax.jit`` on a CPU: ``jax.jit(canonical(f))``. If ``function``
    has no convolution inside a ``jax.lax`` loop (``scan``, ``map``, ``fori_loop``,
    ``while_loop``), nothing changes. Otherwise results change by rounding only. Take
    derivatives inside ``function``.

    Args:
      function: any traceable function.
      everywhere: whether to rewrite convolutions outside loops too.

    >>> import jax.numpy as jnp
    >>> jax.jit(canonical(lambda xs: jax.lax.map(jnp.sin, xs)))(jnp.zeros(3)).shape
    (3,)
    """

    @functools.wraps(function)
    def rewritten(*args: Any) -> Any:
        return traced(function, *args, everywhere=everywhere)[0](*args)

    return rewritten


def traced(
    function: Callable, *args: Any, everywhere: bool = False, rewrite: bool = True
) -> tuple[Callable, Any]:
    """Traces ``function`` once; returns it for arguments like ``args``, and its result's shapes.

    The returned function accepts arguments of these shapes and types only. Tracing it again
    is cheap. ``everywhere`` is as for :func:`canonical`. With ``rewrite=False`` the program
    is left unchanged.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    if rewrite:
        closed = _rewrite(closed, inside=everywhere)
    evaluate, structure = jaxpr_as_fun(closed), jax.tree.structure(shapes)

    def call(*args: Any) -> Any:
        return jax.tree.unflatten(structure, evaluate(*jax.tree.leaves(args)))

    return call, shapes


def _rewrite(value: Any, *, inside: bool) -> Any:
    """Rewrites a traced function, or an equation's parameter, which may contain functions.

    ``inside``: whether it is in the body of a loop, where convolutions are replaced.
    """
    if isinstance(value, Jaxpr):  # from jax 0.11.2 on, a closed one too
        return value.replace(eqns=[_rewrite_equation(equation, inside) for equation in value.eqns])
    if isinstance(value, ClosedJaxpr):
        return value.replace(jaxpr=_rewrite(value.jaxpr, inside=inside))
    if type(value) is tuple:  # excludes named tuples
        return tuple(_rewrite(item, inside=inside) for item in value)
    return value


def _rewrite_equation(equation: JaxprEqn, inside: bool) -> JaxprEqn:
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated" and inside:
        function = jit(functools.partial(_convolve, **params))
        avals = [variable.aval for variable in equation.invars]
        (call,) = jax.make_jaxpr(function)(*avals).jaxpr.eqns
        return equation.replace(primitive=call.primitive, params=call.params)
    inside = inside or name in ("scan", "while")
    return equation.replace(
        params={key: _rewrite(value, inside=inside) for key, value in params.items()}
    )


def _convolve(x: Array, kernel: Array, *, dimension_numbers: Any, **params: Any) -> Array:
    """Transposes the arrays to channels-last, convolves, and transposes the result back."""
    batch, channels, *space = dimension_numbers.lhs_spec
    x = jnp.transpose(x, (batch, *space, channels))
    features, channels, *space = dimension_numbers.rhs_spec
    kernel = jnp.transpose(kernel, (*space, channels, features))
    axes = len(space)
    last = (0, axes + 1, *range(1, axes + 1))
    numbers = lax.ConvDimensionNumbers(last, (axes + 1, axes, *range(axes)), last)
    y = lax.conv_general_dilated_p.bind(x, kernel, dimension_numbers=numbers, **params)
    # Axis out_spec[i] of the result is axis last[i] of y.
    source = dict(zip(dimension_numbers.out_spec, last, strict=True))
    return jnp.transpose(y, [source[axis] for axis in range(axes + 2)])
