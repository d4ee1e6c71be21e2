"""Combines fits of one picture with different seeds into a mean and a standard deviation."""

from typing import NamedTuple

import jax.numpy as jnp

from dip_jax.base import Array, Image


class Ensemble(NamedTuple):
    """The combination of several restorations of one picture."""

    image: Image
    """``[h, w, c]``, the mean of the members kept."""
    deviation: Array
    """``[h, w]``, their standard deviation in the image's units: the root of the mean variance
    over channels. Zero for a single member."""
    kept: Array
    """bool ``[members]``."""


def combine(images: Array, tolerance: float = 9.0) -> Ensemble:
    """Averages the members, leaving out outliers.

    Each member has fitted part of the noise, and the parts differ: averaging reduces them
    (the paper averages two runs, section 3). Weighting members by validation error is no
    better. Members that stop by themselves have nearly equal errors, and each is validated on
    different data.

    Args:
      images: ``[members, h, w, c]``.
      tolerance: a member is left out if its mean squared distance from the members' median
        exceeds this multiple of the median distance, or if it is not finite. With two members,
        or with ``math.inf``, only members that are not finite are left out.

    Returns:
      The :class:`Ensemble`; all NaN if no member is finite.
    """
    finite = jnp.isfinite(images).all(axis=(1, 2, 3))
    valid = jnp.where(finite[:, None, None, None], images, jnp.nan)
    distances = jnp.mean((valid - jnp.nanmedian(valid, axis=0, keepdims=True)) ** 2, axis=(1, 2, 3))
    kept = finite & ~(distances > tolerance * jnp.nanmedian(distances))
    weights = kept[:, None, None, None].astype(images.dtype)
    count = kept.sum()
    images = jnp.where(weights == 1, images, 0.0)
    mean = images.sum(axis=0) / count
    squares = (weights * (images - mean[None]) ** 2).sum(axis=0) / jnp.maximum(count - 1, 1)
    return Ensemble(mean, jnp.sqrt(squares.mean(axis=2)), kept)
