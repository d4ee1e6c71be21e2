"""A generator with its parameters as one vector."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Generator, Image, Key, Params


class Flat(NamedTuple):
    """Wraps ``generator`` so that its parameters are one float32 vector ``[n]``.

    The optimiser and the wrappers then handle a few vectors instead of some hundred arrays.
    There is less to trace and to compile. Steps on a GPU, where each array costs a call of some
    microseconds, are shorter. Values and gradients are unchanged. It does not suit optimisers
    that treat arrays differently, such as :func:`~dip_jax.langevin`. ``generator`` must be
    hashable, as flax modules are.

    >>> import jax
    >>> from dip_jax import Skip
    >>> generator = Flat(Skip(widths=(4, 4)))
    >>> jax.jit(generator.init)(jax.random.key(0), jax.numpy.zeros((16, 16, 2))).shape
    (1303,)
    """

    generator: Generator

    def init(self, key: Key, z: Array) -> Array:
        """Draws the parameters of ``generator``, ordered by name."""
        leaves = jax.tree.leaves(self.generator.init(key, z))
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    def apply(self, params: Array, z: Array) -> Image:
        """Computes the image of ``z`` by ``generator``."""
        return self.generator.apply(self.unravel(params, z), z)

    def unravel(self, params: Array, z: Array) -> Params:
        """Returns the parameters in the form of ``generator``, for inputs shaped like ``z``."""
        settings: Any = jax.config  # jax declares no types for its settings
        x64 = settings.jax_enable_x64  # affects the type of some parameters
        return _make_unravel(self.generator, z.shape, z.dtype.name, x64)(params)


@functools.lru_cache(maxsize=32, typed=True)  # named tuples of different types may be equal
def _make_unravel(
    generator: Generator, shape: tuple[int, ...], dtype: str, x64: bool
) -> Callable[[Array], Params]:
    del x64
    shapes = jax.eval_shape(
        generator.init,
        jax.eval_shape(lambda: jax.random.key(0)),
        jax.ShapeDtypeStruct(shape, dtype),
    )
    leaves, structure = jax.tree.flatten(shapes)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1].tolist()

    def unravel(params: Array) -> Params:
        parts = jnp.split(params, ends)
        return jax.tree.unflatten(
            structure,
            [
                part.reshape(leaf.shape).astype(leaf.dtype)
                for part, leaf in zip(parts, leaves, strict=True)
            ],
        )

    return unravel
