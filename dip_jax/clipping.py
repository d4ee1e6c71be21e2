"""Noise that was cut off at black and white: what is left of it, and what it hides.

A file holds no value below 0 or above 1. Where noise would have gone beyond, it was clipped: there
it is smaller than elsewhere, and its mean is not 0. A denoiser finds that mean, so its black is too
bright and its white too dark, by 0.4 of the noise's deviation.

A denoiser that counts on Gaussian noise is deceived by clipped noise in another way: of black and
white it learns the noise too. To such a one the values cut off are drawn again (:func:`redraw`).

Source: Foi, Clipped noisy images: heteroskedastic modeling and practical denoising, Signal
Processing 2009 (section 3; the inverse of the expectation, section 5). Drawing censored values
again: Wei and Tanner, A Monte Carlo implementation of the EM algorithm, JASA 1990 (section 3).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from dip_jax.base import Array, Image, Key

_LEAST = 1e-6  # of a deviation, to divide by
_NEVER = 30.0  # deviations, beyond which there is nothing
_LEVELS = 1024  # of brightness, between which the inverse is interpolated
_FARTHEST = 2.0  # deviations beyond the limit: an estimate that would need more is mistaken
_RAREST = 1e-6  # of the chance, to draw


def clipped_moments(
    image: Image, deviation: Array | float, black: Array | bool = True
) -> tuple[Image, Image]:
    """Mean and standard deviation of ``clip(x + n, 0, 1)``, n of N(0, s^2).

    Args:
      image: x, of any shape, in [0, 1] or a little beyond.
      deviation: s, in the image's units; a number or of the shape of ``image``.
      black: whether values below 0 are clipped too. (Poisson noise, for instance, has none.)
    """
    s = jnp.maximum(deviation, _LEAST)
    low, high = jnp.where(black, -image / s, -_NEVER), (1 - image) / s
    below, above = norm.cdf(low), norm.cdf(-high)
    # Of the change clip(x + n, 0, 1) - x: of the values themselves, rounding would leave nothing.
    change = s * (norm.pdf(low) - norm.pdf(high)) - image * below + (1 - image) * above
    square = (
        s**2 * (1 - below - above + low * norm.pdf(low) - high * norm.pdf(high))
        + image**2 * below
        + (1 - image) ** 2 * above
    )
    return image + change, jnp.sqrt(jnp.maximum(square - change**2, 0))


def unclip(
    mean: Image,
    deviation: Array | float | Callable[[Array], Array],
    black: Array | bool = True,
) -> Image:
    """The image x in [0, 1] whose noisy version, clipped, has this ``mean``.

    Args:
      mean: of any shape; beyond what an x has, the nearest that it has.
      deviation: s, a number, or a function that gives it for an array of brightness.
      black: as for :func:`clipped_moments`.
    """
    brightness = jnp.linspace(0.0, 1.0, _LEVELS)
    s = deviation(brightness) if callable(deviation) else deviation
    means, _ = clipped_moments(brightness, s, black)
    # Evenly spaced in the mean, so that a value's place is known without a search.
    steps = 4 * _LEVELS
    even = jnp.interp(jnp.linspace(means[0], means[-1], steps + 1), means, brightness)
    place = jnp.clip((mean - means[0]) / (means[-1] - means[0]) * steps, 0, steps)
    below = jnp.minimum(place.astype(jnp.int32), steps - 1)
    share = place - below
    return (1 - share) * even[below] + share * even[below + 1]


def cut_off(y: Image, image: Image, deviation: Array | float, black: Array | bool = True) -> Array:
    """Which values were cut off, and how likely that was.

    Args:
      y: of any shape; its noise was clipped to [0, 1].
      image: about what ``y`` would be without noise, of its shape.
      deviation: s, of the noise before it was clipped; a number or of the shape of ``y``.
      black: as for :func:`clipped_moments`.

    Returns:
      0 where ``y`` is between 0 and 1, or 0 by rights. At 1 the chance that noise brings
      ``image`` to 1 or more, at 0 minus the chance that it brings it to 0 or less; each between
      0.02 and 0.5 in size.
    """
    s = jnp.maximum(deviation, _LEAST)
    above = norm.cdf(jnp.clip((image - 1) / s, -_FARTHEST, 0))
    below = norm.cdf(jnp.clip(-image / s, -_FARTHEST, 0))
    return jnp.where(y >= 1, above, jnp.where((y <= 0) & jnp.asarray(black), -below, 0.0))


def redraw(key: Key, y: Image, deviation: Array | float, cut: Array) -> Image:
    """``y`` with Gaussian noise as if it had not been clipped, as likely as any such.

    What was cut off is drawn from the tail that lies beyond. Then the noise is Gaussian, of mean
    0, as far as the image was known that ``cut`` was made of; errors of it count by a third.

    Args:
      key: decides the draw.
      y: of any shape.
      deviation: s, a number or of the shape of ``y``.
      cut: of :func:`cut_off`.
    """
    whole = cut == 0
    chance = jnp.where(whole, 0.5, jnp.abs(cut))
    share = jax.random.uniform(key, y.shape, minval=_RAREST)
    beyond = deviation * (ndtri(chance) - ndtri(share * chance))
    return jnp.where(whole, y, y + jnp.sign(cut) * beyond)
