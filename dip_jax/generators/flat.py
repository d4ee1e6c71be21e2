"""Any generator, its parameters as one vector."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Generator, Image, Key, Params


class Flat(NamedTuple):
    """``generator`` with parameters ``[n]``, float32, in place of some hundred arrays.

    An optimiser and the wrappers then handle a few vectors: less to trace and to compile, and
    on a GPU, where each array costs a call of some microseconds, shorter steps. Values and
    gradients are the same. It is not for optimisers that tell one array from another, such as
    :func:`~dip_jax.langevin`. ``generator`` is hashable, as those of flax are.

    >>> import jax
    >>> from dip_jax import Skip
    >>> generator = Flat(Skip(widths=(4, 4)))
    >>> generator.init(jax.random.key(0), jax.numpy.zeros((16, 16, 2))).shape
    (1303,)
    """

    generator: Generator

    def init(self, key: Key, z: Array) -> Array:
        """Draws the parameters of ``generator``, in the order of their names."""
        leaves = jax.tree.leaves(self.generator.init(key, z))
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    def apply(self, params: Array, z: Array) -> Image:
        """The image that ``generator`` makes of them."""
        return self.generator.apply(self.unravel(params, z), z)

    def unravel(self, params: Array, z: Array) -> Params:
        """The parameters as ``generator`` takes them, for an input of the shape of ``z``."""
        settings: Any = jax.config  # of whose settings jax declares no types
        x64 = settings.jax_enable_x64  # decides the type of some parameters
        return _unravelling(self.generator, z.shape, z.dtype.name, x64)(params)


@functools.lru_cache(maxsize=32, typed=True)  # named tuples of two types may be equal
def _unravelling(
    generator: Generator, shape: tuple[int, ...], dtype: str, x64: bool
) -> Callable[[Array], Params]:
    del x64
    drawn = jax.eval_shape(
        generator.init,
        jax.eval_shape(lambda: jax.random.key(0)),
        jax.ShapeDtypeStruct(shape, dtype),
    )
    leaves, structure = jax.tree.flatten(drawn)
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
