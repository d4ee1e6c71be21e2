"""Noise that was clipped at black and white: its moments, and what it hides.

A file holds no value below 0 or above 1, so noise that went beyond was clipped. There the noise is
smaller than elsewhere and its mean is not 0. A denoiser that finds the mean makes black too bright
and white too dark, by 0.4 of the noise's standard deviation.

A denoiser that relies on Gaussian noise errs in another way: at black and white it learns the noise
too. For such a denoiser :func:`redraw_clipped` draws the clipped values again.

Source: Foi, Clipped noisy images: heteroskedastic modeling and practical denoising, Signal
Processing 2009 (section 3; the inverse of the expectation, section 5). Redrawing censored values:
Wei and Tanner, A Monte Carlo implementation of the EM algorithm, JASA 1990 (section 3).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from dip_jax.base import Array, ArrayLike, Image, Key

_LEAST = 1e-6  # smallest standard deviation to divide by
_NEVER = 30.0  # standard deviations, beyond which the probability is 0
_LEVELS = 1024  # of brightness, between which the inverse is interpolated
_FARTHEST = 2.0  # standard deviations beyond the limit; an estimate farther out is mistaken
_RAREST = 1e-6  # of the tail's probability, to draw


def clipped_moments(
    image: ArrayLike, sigma: Array | float, black: Array | bool = True
) -> tuple[Image, Image]:
    """Returns mean and standard deviation of ``clip(x + n, 0, 1)``, n of N(0, sigma^2).

    Args:
      image: x, of any shape, in [0, 1] or a little beyond.
      sigma: in the image's units; a number or an array of the shape of ``image``.
      black: whether values below 0 are clipped too. (Poisson noise has none.)
    """
    s = jnp.maximum(sigma, _LEAST)
    low, high = jnp.where(black, -image / s, -_NEVER), (1 - image) / s
    below, above = norm.cdf(low), norm.cdf(-high)
    # Moments of the change clip(x + n, 0, 1) - x: those of the values would be lost in rounding.
    change = s * (norm.pdf(low) - norm.pdf(high)) - image * below + (1 - image) * above
    square = (
        s**2 * (1 - below - above + low * norm.pdf(low) - high * norm.pdf(high))
        + image**2 * below
        + (1 - image) ** 2 * above
    )
    return change + image, jnp.sqrt(jnp.maximum(square - change**2, 0))


def invert_clipping(
    mean: ArrayLike,
    sigma: Array | float | Callable[[Array], Array],
    black: Array | bool = True,
) -> Image:
    """Returns the image x in [0, 1] whose noisy, clipped version has this ``mean``.

    Args:
      mean: of any shape. A mean that no x has gives the nearest x.
      sigma: a number, or a function that returns it for an array of brightness.
      black: as for :func:`clipped_moments`.
    """
    brightness = jnp.linspace(0.0, 1.0, _LEVELS)
    s = sigma(brightness) if callable(sigma) else sigma
    means, _ = clipped_moments(brightness, s, black)
    # Evenly spaced in the mean, so a value's place is known without a search.
    steps = 4 * _LEVELS
    even = jnp.interp(jnp.linspace(means[0], means[-1], steps + 1), means, brightness)
    place = jnp.clip((mean - means[0]) / (means[-1] - means[0]) * steps, 0, steps)
    below = jnp.minimum(place.astype(jnp.int32), steps - 1)
    share = place - below
    return (1 - share) * even[below] + share * even[below + 1]


def clipped_chance(
    y: Image, image: ArrayLike, sigma: Array | float, black: Array | bool = True
) -> Array:
    """Returns which values were clipped, and how likely that was.

    Args:
      y: of any shape; its noise was clipped to [0, 1].
      image: an estimate of ``y`` without noise, of its shape.
      sigma: of the noise before clipping; a number or an array of the shape of ``y``.
      black: as for :func:`clipped_moments`.

    Returns:
      0 where ``y`` is between 0 and 1, and at true zeros. At 1, the probability that noise takes
      ``image`` to 1 or more; at 0, minus the probability that it takes ``image`` to 0 or less.
      Their size is between 0.02 and 0.5.
    """
    s = jnp.maximum(sigma, _LEAST)
    above = norm.cdf(jnp.clip((image - 1) / s, -_FARTHEST, 0))
    below = norm.cdf(jnp.clip(-image / s, -_FARTHEST, 0))
    return jnp.where(y >= 1, above, jnp.where((y <= 0) & jnp.asarray(black), -below, 0.0))


def expect_unclipped(
    y: Image, image: ArrayLike, sigma: Array | float, black: Array | bool = True
) -> Image:
    """Returns ``y`` with each clipped value replaced by what it would be, in the mean.

    Args:
      y: of any shape; its Gaussian noise was clipped to [0, 1].
      image: an estimate of ``y`` without noise, of its shape.
      sigma: of the noise before clipping; a number or an array of the shape of ``y``.
      black: as for :func:`clipped_moments`.
    """
    s = jnp.maximum(sigma, _LEAST)
    # Where an estimate is far inside, clipping was so unlikely that the estimate is mistaken.
    to_white = jnp.minimum((1 - image) / s, _FARTHEST)
    to_black = jnp.minimum(image / s, _FARTHEST)
    above = 1 + s * (norm.pdf(to_white) / norm.sf(to_white) - to_white)
    below = s * (to_black - norm.pdf(to_black) / norm.sf(to_black))
    return jnp.where(y >= 1, above, jnp.where((y <= 0) & jnp.asarray(black), below, y))


def redraw_clipped(key: Key, y: Image, sigma: Array | float, clipped: Array) -> Image:
    """Returns ``y`` with Gaussian noise as if it had not been clipped.

    Clipped values are drawn from the tail beyond the limit. The noise is then Gaussian with mean
    0, as far as the image behind ``clipped`` was known; a third of that image's error remains.

    Args:
      key: decides the draw.
      y: of any shape.
      sigma: a number or an array of the shape of ``y``.
      clipped: from :func:`clipped_chance`.
    """
    whole = clipped == 0
    chance = jnp.where(whole, 0.5, jnp.abs(clipped))
    share = jax.random.uniform(key, y.shape, minval=_RAREST)
    beyond = sigma * (ndtri(chance) - ndtri(share * chance))
    return jnp.where(whole, y, y + jnp.sign(clipped) * beyond)
