"""The input z of a generator, ``[height, width, depth]`` float32.

For a restoration guided by an image, such as the flash picture of a flash/no-flash pair, pass
that image as z.
"""

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Key


def uniform(key: Key, height: int, width: int, depth: int = 32, scale: float = 0.1) -> Array:
    """Returns noise uniform on [0, scale), the paper's input for all but one of its tasks."""
    return scale * jax.random.uniform(key, (height, width, depth))


def meshgrid(height: int, width: int) -> Array:
    """Returns coordinates x and y from 0 to 1, depth 2: the paper's input for large holes."""
    y, x = jnp.meshgrid(
        jnp.linspace(0.0, 1.0, height), jnp.linspace(0.0, 1.0, width), indexing="ij"
    )
    return jnp.stack([x, y], axis=-1)
