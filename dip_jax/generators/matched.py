"""A generator whose image takes its brightness and contrast from the input."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from dip_jax.base import Array, Image, Key, Params

_LEAST_VARIANCE = 1e-8  # of an even image, which has no contrast to be matched


class Matched(NamedTuple):
    """Wraps ``generator`` so that each channel of its image is matched to the input's.

    The norms of a network remove the brightness and the contrast of what they are given, so its
    last layer has to learn both anew for each picture. Here the image is scaled and shifted by
    the least squares of its differences from the input, for each channel. A network that has
    learned to restore other pictures then fits a new one from its first step on. Noise in the
    input makes the scale a little too large; two parameters a channel correct it.

    The input is a picture with as many channels as the image, less 1/2, as
    :func:`dip_jax.recorrupted` gives it. The image may leave [0, 1].

    >>> import jax
    >>> from dip_jax import Matched, Skip
    >>> generator = Matched(Skip(widths=(4, 4), channels=3))
    >>> z = jax.random.uniform(jax.random.key(0), (16, 16, 3)) - 0.5
    >>> params = jax.jit(generator.init)(jax.random.key(1), z)
    >>> image = jax.jit(generator.apply)(params, z)
    >>> bool(abs(image.mean() - 0.5 - z.mean()) < 1e-6)
    True
    """

    generator: Any
    """A network, with its ``stride``."""

    @property
    def stride(self) -> int:
        """What height and width of ``z`` must be multiples of."""
        return self.generator.stride

    def init(self, key: Key, z: Array) -> Params:
        """Draws the parameters of ``generator``; the corrections begin at 0."""
        zeros = jnp.zeros(z.shape[-1], jnp.float32)
        return {"generator": self.generator.init(key, z), "scale": zeros, "shift": zeros}

    def apply(self, params: Any, z: Array) -> Image:
        """Computes the image of ``z``.

        Raises:
          ValueError: if the image has other channels than ``z``.
        """
        image = self.generator.apply(params["generator"], z)
        if image.shape != z.shape:
            raise ValueError(f"the image has shape {image.shape}, its input {z.shape}: must agree")
        change = image - image.mean((0, 1), keepdims=True)
        mean = z.mean((0, 1), keepdims=True)
        covariance = (change * (z - mean)).mean((0, 1))
        scale = covariance / ((change**2).mean((0, 1)) + _LEAST_VARIANCE) + params["scale"]
        return scale[None, None] * change + mean + params["shift"][None, None] + 0.5
