"""The result of a norm and an activation, computed with as few passes over memory as possible."""

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

_FEW = 4  # largest number of output channels that are summed one by one


@jax.custom_jvp
def leaky_relu(x: Array) -> Array:
    """Returns ``x`` where it is at least 0 and ``x / 5`` below; the slope at 0 is 1."""
    # Not by a comparison: the compiler would store its results for the gradient.
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
    """Represents ``activation((x - shift) * factor + offset)``, a map ``[h, w, c]``."""

    x: Array
    """``[h, w, c]``, in memory; may be bfloat16."""
    shift: Array
    """``[1, 1, c]``, a constant for gradients."""
    factor: Array
    """``[c]``; its type is the type of the computation."""
    offset: Array
    """``[c]``."""
    activation: str
    """A key of :data:`ACTIVATIONS`."""

    def compute(self) -> Array:
        """Computes the map, in the type of ``x``."""
        compute = _compute_plain if jax.default_backend() == "cpu" else _compute
        return compute(*self).astype(self.x.dtype)

    def project(self, kernel: Array) -> Array:
        """Returns ``compute() @ kernel``, ``[h, w, c_out]``, in the type of ``kernel [c, c_out]``.

        With few output channels, an accelerator does not write the map to memory.
        """
        if jax.default_backend() == "cpu" or kernel.shape[1] > _FEW:
            return matmul(self.compute().astype(kernel.dtype), kernel)
        return _project(*self[:4], kernel, self.activation)


# The functions below have the gradient of _compute_plain. A GPU's compiler computes that in two
# passes: the first takes the sums for factor and offset and writes a map of the slopes times the
# cotangent, which the second reads. The write takes a third of the time. The barriers hide from
# the compiler that the second pass repeats the computation of the first, so that no map is
# written. On a CPU they cost more than they save.


def _compute_plain(x: Array, shift: Array, factor: Array, offset: Array, activation: str) -> Array:
    return ACTIVATIONS[activation](_affine(x, shift, factor, offset))


def _affine(x: Array, shift: Array, factor: Array, offset: Array) -> Array:
    size = x.shape[:2]
    return (x.astype(factor.dtype) - shift) * spread(factor, size) + spread(offset, size)


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def _compute(x: Array, shift: Array, factor: Array, offset: Array, activation: str) -> Array:
    return _compute_plain(x, shift, factor, offset, activation)


@_compute.defjvp
def _compute_jvp(
    activation: str, primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    x, shift, factor, offset = primals
    dx, _, dfactor, doffset = tangents
    size = x.shape[:2]

    def differentiate(x: Array, tangent: Array) -> Array:
        at = _affine(x, shift, factor, offset)
        return jax.jvp(ACTIVATIONS[activation], (at,), (tangent,))[1]

    hidden = lax.optimization_barrier(x)
    inner = (hidden.astype(factor.dtype) - shift) * spread(dfactor, size) + spread(doffset, size)
    outer = dx.astype(factor.dtype) * spread(factor, size)
    tangent = differentiate(x, outer) + differentiate(hidden, inner)
    return _compute(*primals, activation), tangent


@functools.partial(jax.custom_jvp, nondiff_argnums=(5,))
def _project(
    x: Array, shift: Array, factor: Array, offset: Array, kernel: Array, activation: str
) -> Array:
    return _matmul_by_columns(_compute_plain(x, shift, factor, offset, activation), kernel)


@_project.defjvp
def _project_jvp(
    activation: str, primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    x, shift, factor, offset, kernel = primals
    _, tangent = _compute_jvp(activation, primals[:4], tangents[:4])
    y = _compute_plain(lax.optimization_barrier(x), shift, factor, offset, activation)
    return (
        _project(*primals, activation),
        _matmul_by_columns(tangent, kernel) + _matmul_by_columns(y, tangents[4]),
    )


def _matmul_by_columns(x: Array, kernel: Array) -> Array:
    """Returns ``x @ kernel`` as one sum per column, fused with the computation of ``x``."""
    high = jnp.promote_types(kernel.dtype, jnp.float32)
    x, columns = x.astype(high), kernel.T.astype(high)
    sums = [jnp.sum(x * spread(column, x.shape[:2]), axis=2) for column in columns]
    return jnp.stack(lax.optimization_barrier(sums), axis=2).astype(kernel.dtype)
