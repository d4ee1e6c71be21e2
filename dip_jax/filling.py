"""Fills holes smoothly from the known pixels: a guess, an anchor, a correction after a fit."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from dip_jax.base import Array, ArrayLike, Image
from dip_jax.compilation import jit

_SCALES = 6  # number of blurs, each twice as wide as the last; together they reach 63 pixels
_ENOUGH = 1 / 8  # fraction of a blur's weight that must be known for its mean to be trusted
_LEAST = 1e-12  # smallest weight, to avoid division by zero
_PASSES = 20
_PREDICTED = 0.2  # the usual weight for a fit that predicts the known pixels
_PRIOR_PIXELS = 100  # held-out pixels that the usual weight is worth
_REACH = 8  # pixels from the known ones, up to which a fit needs no anchor
_STEP, _MOMENTUM = 1 / 50, 0.8  # the squared Laplacian's curvature is 64 at most


def interpolate(y: ArrayLike, known: ArrayLike) -> Image:
    """Returns ``y`` with its holes filled smoothly.

    First, each missing pixel gets the mean of the known pixels around it, over the smallest
    blur that covers enough of them (normalised convolution). Where none is within 63 pixels it
    gets the mean of all. Then a few passes of gradient descent on the squared Laplacian smooth
    the result; its minimum is biharmonic interpolation. With half of the pixels missing, the
    result is within 0.03 dB of biharmonic interpolation, in a fiftieth of the time.

    Args:
      y: ``[h, w, c]``; its values in holes do not matter.
      known: ``[h, w, 1]``, 1 where ``y`` is known, 0 in holes. If it is 0 everywhere, the
        result is 1/2 everywhere.

    Source: Knutsson and Westin, Normalized and differential convolution, CVPR 1993.
    """
    # Width as the last, contiguous axis: five times as fast on a CPU as three channels last.
    y = jnp.where(known == 1, y, 0)  # a product would propagate NaN
    image, settled = jnp.moveaxis(y, -1, 0), jnp.moveaxis(known, -1, 0)
    holes = 1 - settled
    total, count = (jnp.sum(array, axis=(1, 2), keepdims=True) for array in (image, settled))
    mean = (total + _LEAST / 2) / (count + _LEAST)
    blurred = jnp.concatenate([image, settled])
    for scale in range(_SCALES):
        blurred = _blur(blurred, 2**scale)
        weight = blurred[-1:]
        share = (1 - settled) * jnp.minimum(weight / _ENOUGH, 1)
        image = image + share * blurred[:-1] / jnp.maximum(weight, _LEAST)
        settled = settled + share
    # Only the ratio of the weights matters, however small they are. Without any, use the mean.
    image = (image + _LEAST * mean) / (settled + _LEAST)

    def smoother(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        image, move = carry
        move = _MOMENTUM * move - _STEP * holes * _laplacian(_laplacian(image))
        return image + move, move

    # A loop: unrolled, XLA would recompute each pass for every neighbour in the next.
    image, _ = lax.fori_loop(0, _PASSES, smoother, (image, jnp.zeros_like(image)))
    return jnp.moveaxis(image, 0, -1)


@jit
def anchor(
    y: ArrayLike, known: ArrayLike, pull: float | ArrayLike, region: ArrayLike = 1.0
) -> tuple[Image, Array]:
    """Returns a picture and weights for a fit that must not leave the middle of wide holes free.

    A fit that sees only the known pixels gives the middle of a wide hole any colour: its network
    has learned nothing there. The picture is ``y`` with its holes interpolated. The weights are
    ``known``, and small in holes more than 8 pixels from the known ones (by rows or by columns),
    so that the interpolated values pull the fit's colours to those around the hole.

    Args:
      y: ``[h, w, c]``; its values in holes do not matter.
      known: ``[h, w, 1]``, 0 in holes and one positive number where ``y`` is known.
      pull: of a pixel far inside a hole on the squared loss, relative to a known pixel's: 0 or
        more, 0 for none.
      region: ``[h, w, 1]``, 0 where no hole counts, such as in margins around the picture.

    Returns:
      The picture ``[h, w, c]``, and the weights ``[h, w, 1]``.
    """
    known = jnp.asarray(known)
    there = jnp.asarray(known > 0, jnp.float32)
    weight = jnp.sqrt(pull) * jnp.max(known)
    far = far_inside(known) & (jnp.asarray(region) > 0)
    return interpolate(y, there), jnp.where(far, weight, known)


@jit
def far_inside(known: ArrayLike) -> Array:
    """Returns where ``known [h, w, 1]`` is 0 within 8 pixels: bool ``[h, w, 1]``."""
    size = 2 * _REACH + 1
    near = lax.reduce_window(
        jnp.asarray(known > 0, jnp.float32), 0.0, lax.max, (size, size, 1), (1, 1, 1), "SAME"
    )
    return near == 0


def are_scattered(known: np.ndarray) -> bool:
    """Whether scattered single pixels are missing in ``known [h, w, 1]``, not areas.

    They are if the neighbours of a missing pixel, in its row and its column, are hardly more often
    missing than other pixels.
    """
    missing = known[:, :, 0] == 0
    beside = (missing[:, 1:] & missing[:, :-1], missing[1:] & missing[:-1])
    most = max(pairs.mean() if pairs.size else 0.0 for pairs in beside)
    return bool(most <= missing.mean() * (missing.mean() + 0.1))


def complete(
    image: ArrayLike, y: ArrayLike, known: ArrayLike, weight: float | ArrayLike = 1.0
) -> Image:
    """Returns ``y`` where it is known and ``image`` in holes, without seams.

    The residual ``y - image`` at the known pixels is interpolated into the holes and added
    there. This corrects an image that is right except for its local brightness.

    Args:
      image: ``[h, w, c]``, such as a fit's estimate.
      y: ``[h, w, c]``; its values in holes do not matter.
      known: ``[h, w, 1]``, 1 where ``y`` is known, 0 in holes.
      weight: factor of the correction. Use 1 for a fit that has seen the known pixels. A fit
        that predicts known pixels from their neighbours needs little of it: use 0.2.

    Source: Perez, Gangnet and Blake, Poisson image editing, SIGGRAPH 2003 (equation 4, with
    :func:`interpolate` in place of the membrane).
    """
    # Centred at 1/2, which `interpolate` returns if nothing is known: the correction is then 0.
    missed = interpolate(y - image + 0.5, known) - 0.5
    return jnp.where(known == 1, y, image + weight * missed)


def _blur(planes: Array, reach: int) -> Array:
    """Averages pixels ``reach`` apart with weights 1, 2, 1 along both axes."""
    for axis in (1, 2):
        before, after = _neighbours(planes, reach, axis)
        planes = (before + 2 * planes + after) / 4
    return planes


def _laplacian(planes: Array) -> Array:
    (above, below), (left, right) = (_neighbours(planes, 1, axis) for axis in (1, 2))
    return -4 * planes + (above + below) + (left + right)


def _neighbours(planes: Array, reach: int, axis: int) -> tuple[Array, Array]:
    """Returns the pixels ``reach`` before and after each along ``axis``, repeating the border."""
    margins = [(0, 0)] * 3
    margins[axis] = (reach, reach)
    padded = jnp.pad(planes, margins, mode="edge")
    starts = (0, 2 * reach)
    before, after = (
        lax.slice_in_dim(padded, start, start + planes.shape[axis], axis=axis) for start in starts
    )
    return before, after


def join_known(
    filled: ArrayLike, y: ArrayLike, known: ArrayLike, held: ArrayLike, *, predicted: bool
) -> np.ndarray:
    """Returns ``y`` where it is known and ``filled`` in holes, moved to join it.

    How far it moves is learned from the held-out pixels: what a fit misses beside them it misses
    there too, if that belongs to the picture and is not noise. (The other known pixels can't judge
    a fit that predicts them too well.)

    Args:
      filled: ``[h, w, c]``, a fit's estimate.
      y: the picture, of its shape.
      known: ``[h, w, 1]``, 1 where ``y`` is known, 0 in holes.
      held: ``[h, w, 1]``, 1 where a known pixel was held out from the fit.
      predicted: whether the fit predicts known pixels from their neighbours, and so has done most
        of this by itself.
    """
    there = np.asarray(held)[:, :, 0] == 1
    moved = np.asarray(_complete(filled, y, known - held, np.asarray(1.0, np.float32)))
    change, wanted = (moved - filled)[there], (y - filled)[there]
    found = np.sum(change * wanted) / max(np.sum(change**2), 1e-12)
    count = np.count_nonzero(there)
    usual = _PREDICTED if predicted else 1.0
    share = (count * found + _PRIOR_PIXELS * usual) / (count + _PRIOR_PIXELS)
    weight = np.asarray(np.clip(share, 0, 1), np.float32)
    return np.asarray(_complete(filled, y, known, weight))


_complete = jit(complete)
