"""What a norm and an activation make of a map, with as few passes over it as can be."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array
from dip_jax.generators.convolution import matmul
from dip_jax.generators.linear import spread

_FEW = 4  # channels that are summed one by one


@jax.custom_jvp
def leaky_relu(x: Array) -> Array:
    """``x``, but a fifth of it where it is below 0; its slope at 0 is 1."""
    # Not by a comparison, of which a compiler keeps the results for the gradient.
    return jnp.maximum(x, 0.2 * x)


@leaky_relu.defjvp
def _leaky_relu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return leaky_relu(x), tangent * jnp.where(x >= 0, 1.0, 0.2).astype(x.dtype)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "leaky_relu": leaky_relu,
    "elu": nn.elu,
    "swish": nn.swish,
    "relu": nn.relu,
    "none": lambda x: x,
}


class Normal(NamedTuple):
    """Stands for ``activation((x - shift) * factor + offset)``, a map ``[h, w, c]``."""

    x: Array
    """``[h, w, c]``, in memory; may be bfloat16."""
    shift: Array
    """``[1, 1, c]``, a constant for gradients."""
    factor: Array
    """``[c]``, which gives its type to what is computed."""
    offset: Array
    """``[c]``."""
    activation: str
    """Of :data:`ACTIVATIONS`."""

    def made(self) -> Array:
        """The map, of the type of ``x``."""
        make = _plain if jax.default_backend() == "cpu" else _made
        return make(*self).astype(self.x.dtype)

    def projected(self, kernel: Array) -> Array:
        """``made() @ kernel``, ``[h, w, c_out]`` of the type of ``kernel [c, c_out]``.

        Where there are few columns, an accelerator does not write the map on the way.
        """
        if jax.default_backend() == "cpu" or kernel.shape[1] > _FEW:
            return matmul(self.made().astype(kernel.dtype), kernel)
        return _projected(*self[:4], kernel, self.activation)


# The gradient of what follows is that of _plain, which a GPU's compiler computes as follows: one
# pass takes the sums for factor and offset and writes a map of the slopes times the cotangent, the
# next reads it. Writing is a third of that. The barriers hide that the second pass computes
# what the first did, and so does both without the map. On a CPU they cost more than they save.


def _plain(x: Array, shift: Array, factor: Array, offset: Array, activation: str) -> Array:
    return ACTIVATIONS[activation](_affine(x, shift, factor, offset))


def _affine(x: Array, shift: Array, factor: Array, offset: Array) -> Array:
    size = x.shape[:2]
    return (x.astype(factor.dtype) - shift) * spread(factor, size) + spread(offset, size)


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def _made(x: Array, shift: Array, factor: Array, offset: Array, activation: str) -> Array:
    return _plain(x, shift, factor, offset, activation)


@_made.defjvp
def _made_jvp(
    activation: str, primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    x, shift, factor, offset = primals
    dx, _, dfactor, doffset = tangents
    size = x.shape[:2]

    def sloped(x: Array, tangent: Array) -> Array:
        at = _affine(x, shift, factor, offset)
        return jax.jvp(ACTIVATIONS[activation], (at,), (tangent,))[1]

    again = lax.optimization_barrier(x)
    inner = (again.astype(factor.dtype) - shift) * spread(dfactor, size) + spread(doffset, size)
    tangent = sloped(x, dx.astype(factor.dtype) * spread(factor, size)) + sloped(again, inner)
    return _made(*primals, activation), tangent


@functools.partial(jax.custom_jvp, nondiff_argnums=(5,))
def _projected(
    x: Array, shift: Array, factor: Array, offset: Array, kernel: Array, activation: str
) -> Array:
    return _columns(_plain(x, shift, factor, offset, activation), kernel)


@_projected.defjvp
def _projected_jvp(
    activation: str, primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    x, shift, factor, offset, kernel = primals
    _, tangent = _made_jvp(activation, primals[:4], tangents[:4])
    y = _plain(lax.optimization_barrier(x), shift, factor, offset, activation)
    return _projected(*primals, activation), _columns(tangent, kernel) + _columns(y, tangents[4])


def _columns(x: Array, kernel: Array) -> Array:
    """``x @ kernel`` as a sum for each column, which joins what computes ``x``."""
    high = jnp.promote_types(kernel.dtype, jnp.float32)
    x, columns = x.astype(high), kernel.T.astype(high)
    sums = [jnp.sum(x * spread(column, x.shape[:2]), axis=2) for column in columns]
    return jnp.stack(lax.optimization_barrier(sums), axis=2).astype(kernel.dtype)
