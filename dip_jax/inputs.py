"""The input z of a generator, ``[height, width, depth]`` float32.

For a restoration guided by an image, such as the flash picture of a flash/no-flash pair, pass
that image as z, or :func:`guide` makes one of any image.
"""

import jax
import jax.numpy as jnp
import numpy as np

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


def guide(image: Array, scale: float = 0.1) -> Array:
    """Makes z of a rough picture, such as a zero-filled image or a filtered back-projection.

    Each channel is stretched to [0, scale], the range of :func:`uniform`. The real and the
    imaginary parts of a complex image become channels. For more depth, join it with noise:
    ``jnp.concatenate([guide(image), uniform(key, h, w, depth)], axis=-1)``.

    Args:
      image: ``[h, w, c]``, real or complex, in any units.
      scale: the largest value of z.

    Returns:
      float32 ``[h, w, c]``, or ``[h, w, 2c]`` of a complex image. A constant channel becomes 0.

    Raises:
      ValueError: if a value is not finite.

    Source: of the idea, Ulyanov et al., Deep Image Prior (arXiv:1711.10925), flash/no-flash.
    """
    values = np.asarray(image)
    if np.iscomplexobj(values):
        values = np.concatenate([np.real(values), np.imag(values)], axis=-1)
    if not np.isfinite(values).all():
        raise ValueError("image holds values that are not finite")
    axes = tuple(range(values.ndim - 1))
    least, most = values.min(axes, keepdims=True), values.max(axes, keepdims=True)
    span = np.where(most > least, most - least, 1)
    return jnp.asarray(scale * (values - least) / span, jnp.float32)
