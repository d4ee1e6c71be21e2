"""Images of other values than [0, 1]: in units of one's own, and complex ones.

These functions go between a generator and a task, through :func:`dip_jax.tasks.precompose`. The
restored image is what the generator painted: apply the same function to it.
"""

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Image


def rescale(image: Image, low: Array | float, high: Array | float) -> Image:
    """Maps values from [0, 1] to [``low``, ``high``], which may differ between channels.

    ``precompose(Partial(rescale, low=low, high=high), task)`` gives a network that paints in [0, 1]
    a task in units of its own. For images without a bound, give the network ``sigmoid=False``;
    for values of at least 0, also apply ``jax.nn.softplus`` in the same way.

    Args:
      image: ``[..., c]``.
      low: a number, or an array that broadcasts to the image's shape.
      high: likewise.
    """
    return low + (high - low) * image


def to_complex(image: Array) -> Array:
    """Makes a complex image of a real one, ``[..., 2c]`` to complex64 ``[..., c]``.

    The first half of the channels are the real parts, the second half the imaginary ones. Networks
    paint real channels: ``precompose(to_complex, task)`` gives a task for complex images to one
    with twice the channels and ``sigmoid=False``.

    Raises:
      ValueError: if the image is complex already, or its channels are odd in number.
    """
    if jnp.iscomplexobj(image):
        raise ValueError(f"image holds {image.dtype}: is complex already")
    if image.shape[-1] % 2:
        raise ValueError(
            f"image has shape {image.shape}: a complex image needs an even number of channels, "
            "real parts first"
        )
    real, imaginary = jnp.split(image, 2, axis=-1)
    return jax.lax.complex(real, imaginary)


def from_complex(image: Array) -> Array:
    """Undoes :func:`to_complex`: ``[..., c]`` to real ``[..., 2c]``, real parts first."""
    return jnp.concatenate([jnp.real(image), jnp.imag(image)], axis=-1)
