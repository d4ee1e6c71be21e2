"""Convolutions inside loops, in the one layout that XLA computes fast there on a CPU.

XLA's CPU compiler has a fast routine for convolutions whose arrays lie in the order
batch-height-width-channels. Outside of loops it brings others into that order; inside the
body of a scan or a while loop it leaves them to code about twenty times as slow (jax issue
12868), and the gradients that JAX derives of a convolution are of that kind.
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
    """``function``, computed with convolutions inside its loops in the fast layout.

    For use right under ``jax.jit`` on a CPU: ``jax.jit(canonical(f))``. It changes nothing
    where ``function`` has no convolution inside a ``jax.lax`` loop (``scan``, ``map``,
    ``fori_loop``, ``while_loop``), and rounding elsewhere. Derivatives are to be taken
    inside of ``function``.

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
    """``function`` traced once for arguments like ``args``, and the shapes of its result.

    The function returned serves for such arguments alone, and is cheap to trace again.
    ``everywhere`` is as for :func:`canonical`; without ``rewrite`` nothing is changed.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    if rewrite:
        closed = _rewrite(closed, inside=everywhere)
    evaluate, structure = jaxpr_as_fun(closed), jax.tree.structure(shapes)

    def again(*args: Any) -> Any:
        return jax.tree.unflatten(structure, evaluate(*jax.tree.leaves(args)))

    return again, shapes


def _rewrite(value: Any, *, inside: bool) -> Any:
    """A traced function, or an equation's parameter, which may hold some.

    ``inside`` says whether it is in the body of a loop, where convolutions are replaced.
    """
    if isinstance(value, ClosedJaxpr):
        return value.replace(jaxpr=_rewrite(value.jaxpr, inside=inside))
    if isinstance(value, Jaxpr):
        return value.replace(eqns=[_equation(equation, inside) for equation in value.eqns])
    if type(value) is tuple:  # not a named one
        return tuple(_rewrite(item, inside=inside) for item in value)
    return value


def _equation(equation: JaxprEqn, inside: bool) -> JaxprEqn:
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
    """The convolution with its arrays transposed, so that channels come last."""
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
