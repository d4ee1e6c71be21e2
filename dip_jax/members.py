"""Several fits of one picture with different seeds: their mean, and how far they differ."""

from typing import NamedTuple

import jax.numpy as jnp

from dip_jax.base import Array, Image


class Ensemble(NamedTuple):
    """What several restorations of one picture amount to."""

    image: Image
    """``[h, w, c]``, the mean of the members kept."""
    deviation: Array
    """``[h, w]``, their standard deviation, the root of the mean square over channels; in the
    image's units; zero for a single member."""
    kept: Array
    """bool ``[members]``."""


def combine(images: Array, tolerance: float = 9.0) -> Ensemble:
    """The mean of the members, without those that went astray.

    Members differ in parts of the noise that they took up; the mean has less of each (the
    paper averages two runs, section 3). Weights by validation error are no better: of members
    that stopped by themselves the errors are nearly equal, and each was validated on other
    data.

    Args:
      images: ``[members, h, w, c]``.
      tolerance: a member is left out if its mean squared distance from the members' median
        is so many times the median distance, or not finite; with two members, only then; with
        ``math.inf`` too.

    Returns:
      The :class:`Ensemble`; all NaN if no member is finite.
    """
    finite = jnp.isfinite(images).all(axis=(1, 2, 3))
    shown = jnp.where(finite[:, None, None, None], images, jnp.nan)
    distances = jnp.mean((shown - jnp.nanmedian(shown, axis=0, keepdims=True)) ** 2, axis=(1, 2, 3))
    kept = finite & ~(distances > tolerance * jnp.nanmedian(distances))
    weights = kept[:, None, None, None].astype(images.dtype)
    count = kept.sum()
    images = jnp.where(weights == 1, images, 0.0)
    mean = images.sum(axis=0) / count
    squares = (weights * (images - mean[None]) ** 2).sum(axis=0) / jnp.maximum(count - 1, 1)
    return Ensemble(mean, jnp.sqrt(squares.mean(axis=2)), kept)
