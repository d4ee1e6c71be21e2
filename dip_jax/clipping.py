"""Gaussian noise that was cut off at black and white: what is left of it, and what it hides.

A file holds no value below 0 or above 1. Where noise would have gone beyond, it was clipped: there
it is smaller than elsewhere, and its mean is not 0. A denoiser finds that mean, so its black is too
bright and its white too dark, by 0.4 of the noise's deviation.

Source: Foi, Clipped noisy images: heteroskedastic modeling and practical denoising, Signal
Processing 2009 (section 3; the inverse of the expectation, section 5).
"""

import jax.numpy as jnp
from jax.scipy.stats import norm

from dip_jax.base import Array, Image

_LEAST = 1e-6  # of a deviation, to divide by
_LEVELS = 1024  # of brightness, between which the inverse is interpolated


def clipped_moments(image: Image, deviation: Array | float) -> tuple[Image, Image]:
    """Mean and standard deviation of ``clip(x + n, 0, 1)``, n of N(0, s^2).

    Args:
      image: x, in [0, 1], of any shape.
      deviation: s, in the image's units.
    """
    s = jnp.maximum(deviation, _LEAST)
    low, high = -image / s, (1 - image) / s
    below, above = norm.cdf(low), norm.cdf(-high)
    # Of the change clip(x + n, 0, 1) - x: of the values themselves, rounding would leave nothing.
    change = s * (norm.pdf(low) - norm.pdf(high)) - image * below + (1 - image) * above
    square = (
        s**2 * (1 - below - above + low * norm.pdf(low) - high * norm.pdf(high))
        + image**2 * below
        + (1 - image) ** 2 * above
    )
    return image + change, jnp.sqrt(jnp.maximum(square - change**2, 0))


def unclip(mean: Image, deviation: Array | float) -> Image:
    """The image x in [0, 1] whose noisy version, clipped, has this ``mean``.

    Args:
      mean: of any shape; beyond what an x has, the nearest that it has.
      deviation: s, a number.
    """
    brightness = jnp.linspace(0.0, 1.0, _LEVELS)
    means, _ = clipped_moments(brightness, deviation)
    # Evenly spaced in the mean, so that a value's place is known without a search.
    steps = 4 * _LEVELS
    even = jnp.interp(jnp.linspace(means[0], means[-1], steps + 1), means, brightness)
    place = jnp.clip((mean - means[0]) / (means[-1] - means[0]) * steps, 0, steps)
    below = jnp.minimum(place.astype(jnp.int32), steps - 1)
    share = place - below
    return (1 - share) * even[below] + share * even[below + 1]
