"""Combines fits of one picture with different seeds."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Image

_FAINT = 1.5  # detail that fits share is fainter than the true one


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


def combine_by_agreement(images: np.ndarray, base: np.ndarray, width: float = 4.0) -> np.ndarray:
    """Returns ``base`` with the detail that several restorations agree on.

    Where a network does not know the detail of a texture, fits with different seeds invent
    different ones, and an interpolation is nearer to the truth. So what the members' mean adds to
    ``base`` is weighed around each pixel by the members' correlation ``r``. For ``n`` members
    ``n r / (1 + (n - 1) r)`` is best (Wiener) if each adds the true detail and an error of its own.
    What they share is fainter than the true detail, so the weight is half as much again, and at
    most 1.

    Args:
      images: finite ``[members, h, w, c]``, two or more.
      base: ``[h, w, c]``, such as an interpolation.
      width: standard deviation in pixels of the Gaussian window in which agreement is measured.

    Returns:
      float32 ``[h, w, c]``.

    Raises:
      ValueError: for fewer than two members.
    """
    from scipy import ndimage

    count = len(images)
    if count < 2:
        raise ValueError(f"images={count}: agreement takes two members or more")
    details = np.asarray(images, np.float64) - base
    total, squares = details.sum(axis=0), (details**2).sum(axis=0)
    # Sums over pairs of members, and over members.
    pairs, power = (
        ndimage.gaussian_filter(part.sum(axis=2), width)[:, :, None] * scale
        for part, scale in ((total**2 - squares, 1 / (count - 1)), (squares, 1.0))
    )
    agreement = np.divide(pairs, power, out=np.zeros_like(pairs), where=power > 0).clip(0, 1)
    weight = np.minimum(_FAINT * count * agreement / (1 + (count - 1) * agreement), 1)
    return (base + weight * total / count).astype(np.float32)
