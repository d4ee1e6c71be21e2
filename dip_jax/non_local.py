"""Non-local refinement: combines similar noisy patches, guided by the restored picture.

A network and a non-local method err in different ways. A network misses faint, repeated texture; a
non-local method that must find alike patches in a noisy picture takes noise for likeness. Here the
network's result finds them, and tells how to weight them.

Source: Herbreteau and Kervrann, Towards a unified view of unsupervised non-local methods for image
denoising: the NL-Ridge approach, ICIP 2022 (the second step; its first is a fit here).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import cho_solve

from dip_jax.base import Array, ArrayLike, Image, check_restored
from dip_jax.colors import color_basis
from dip_jax.compilation import jit
from dip_jax.noise import NoiseModel
from dip_jax.wiener import filter_windows

PATCH = 5  # pixels a side. Up to 32 values, the solver of CPUs does not wait for other threads.
_REACH = 18  # pixels to a side, in which alike patches are sought
_STRIDE = 4  # pixels from one patch that is restored to the next
_COUNT = 64  # alike patches, itself included
_SHARE = 0.8  # of the new estimate; the rest is the given one, whose errors are others
# Nearby patches share correlated noise. So it is taken for stronger than it is, and the new
# estimate counts for less: by half up to a level of 4, and not at all from 10 on.
_CORRELATED_SHARE, _CAUTION = 0.4, 2.0
_FILTERED_SHARE = 0.5  # of the picture filtered in windows, where noise is correlated
_WEAK, _STRONG = 4.0, 10.0  # 8-bit levels
_LEAST_VARIANCE = 1e-6  # a quarter of an 8-bit level, squared; less would be lost to rounding


def refine(
    y: ArrayLike, restored: ArrayLike, noise: NoiseModel, known: ArrayLike | float = 1.0
) -> Image:
    """Returns a better estimate of a noisy picture than ``restored``.

    For each patch, those most like it in ``restored`` are sought nearby. Each of them is estimated
    anew as the linear combination of all their noisy versions that would have the least expected
    error if ``restored`` were the truth. Overlapping estimates are averaged. This is done twice,
    the second time with the better picture. One program serves every noise.

    Of correlated noise, ``restored`` and :func:`.filter_windows` are averaged first. What patches
    then add counts less, and from 10 levels on nothing.

    Args:
      y: the noisy picture, float ``[h, w, c]`` in [0, 1].
      restored: an estimate of it that owes little to the noise of single pixels, ``[h, w, c]``,
        such as a fit's. Of noise that was clipped, the picture before that.
      noise: of ``y``.
      known: ``[h, w, 1]``, 1 where ``y`` was measured; the rest stays as in ``restored``.

    Returns:
      ``[h, w, c]``; ``restored`` where no patch of 5x5 pixels is known.

    Raises:
      ValueError: if the shapes differ, or for whole numbers.

    On a CPU the result is the same bit for bit; on a GPU sums may come in another order.
    """
    y, restored = jnp.asarray(y), jnp.asarray(restored)
    check_restored(y, restored)
    if min(y.shape[:2]) < PATCH or not noise.level:
        return restored
    share, caution = _find_share(noise)
    known = jnp.broadcast_to(jnp.asarray(known, y.dtype), (*y.shape[:2], 1))
    if noise.kernel is not None:
        filtered = filter_windows(jnp.where(known > 0, y, restored), restored, noise)
        better = _FILTERED_SHARE * filtered + (1 - _FILTERED_SHARE) * restored
        restored = jnp.where(known > 0, better, restored)
    if not share:
        return restored
    y, deviation = noise.without_clipping(y, restored)
    covariance = jnp.asarray(noise.channel_covariance(y.shape[2]))
    return _refine(y, restored, caution * deviation, covariance, known, share)


def _find_share(noise: NoiseModel) -> tuple[float, float]:
    """Returns the new estimate's share, and by how much the noise is taken for stronger."""
    if noise.kernel is None:
        return _SHARE, 1.0
    weakness = (_STRONG - float(noise.level)) / (_STRONG - _WEAK)
    return _CORRELATED_SHARE * max(0.0, min(weakness, 1.0)), _CAUTION


@jit
def _refine(
    y: Array,
    restored: Array,
    deviation: Array,
    covariance: Array,
    known: Array,
    share: Array | float,
) -> Array:
    channels = y.shape[2]
    basis = color_basis(channels)
    # Groups of patches differ much less than their values: TF32 would lose the difference.
    with jax.default_matmul_precision("float32"):
        scaled = jnp.einsum("ta,hwa->hwta", basis, deviation)
        variance = jnp.einsum("hwta,ab,hwtb->hwt", scaled, covariance, scaled)
        noisy = y @ basis.T
        pilot = first = restored @ basis.T
        for _ in range(2):
            found = combine_patches(noisy, pilot, variance, known)
            pilot = share * found + (1 - share) * first
        return pilot @ basis


class _Group(NamedTuple):
    """Patches, each with those that are like it."""

    rows: Array
    """Where they begin, ``[n, count]``."""
    columns: Array
    use: Array
    """1 for those that may be used, else 0."""


def combine_patches(
    y: Array, pilot: Array, variance: Array, known: Array, needed: Array | None = None
) -> Array:
    """Returns the estimate that patches of ``y`` give, combined as in ``pilot``.

    One pass of :func:`refine`, for channels whose noises are independent. It can be traced.

    Args:
      y: the noisy picture, ``[h, w, c]`` of at least 5x5 pixels, in units in which white is 1.
      pilot: an estimate of it, ``[h, w, c]``.
      variance: of the noise of each value, ``[h, w, c]``.
      known: ``[h, w, 1]``, 1 where ``y`` was measured; the rest stays as in ``pilot``.
      needed: ``[h, w, 1]``, 1 where an estimate is needed, which saves the time of the rest. All
        patches that reach there are estimated, with those like them. Others stay as in ``pilot``.
    """
    height, width, channels = y.shape
    variance = jnp.maximum(variance, _LEAST_VARIANCE)
    whole = _over_patches(known, lax.min, jnp.inf)[:, :, 0] > 0
    patch_variance = _over_patches(variance, lax.add, 0.0)
    # Of gray and RGB the luma; of any other picture the mean of its channels.
    guide = pilot[:, :, 0] if channels in (1, 3) else jnp.mean(pilot, axis=2)
    rows, columns, count = _choose_places(height, width, needed)
    together = len(_starts(width))
    down = np.arange(PATCH)[None, None, :, None]
    right = np.arange(PATCH)[None, None, None]

    def restore_group(index: Array, sums: Array) -> Array:
        first = index * together
        own = (lax.dynamic_slice_in_dim(places, first, together) for places in (rows, columns))
        group = _find_alike(guide, whole, *own, first + np.arange(together) < count)
        places = group.rows[..., None, None] + down, group.columns[..., None, None] + right
        cut = [
            jnp.moveaxis(image[places], -1, 1).reshape(together, channels, _COUNT, -1)
            for image in (y, pilot)
        ]
        precision = jnp.moveaxis(
            group.use[..., None] / patch_variance[group.rows, group.columns], -1, 1
        )
        values, weights = _solve(*cut, precision, group.use[:, None])
        both = jnp.concatenate([weights * values, weights * jnp.ones_like(values)], axis=1)
        both = both.reshape(together, 2 * channels, _COUNT, PATCH, PATCH)
        return sums.at[places].add(jnp.moveaxis(both, 1, -1))

    sums = jnp.zeros((height, width, 2 * channels), y.dtype)
    sums = lax.fori_loop(0, -(-count // together), restore_group, sums)
    total, weight = sums[..., :channels], sums[..., channels:]
    estimated = (known > 0) & (weight > 0)
    return jnp.where(estimated, total / jnp.where(weight > 0, weight, 1), pilot)


def _choose_places(
    height: int, width: int, needed: Array | None
) -> tuple[Array, Array, Array | int]:
    """Returns the rows and columns where patches begin that are restored, and how many are."""
    down, right = (jnp.asarray(_starts(length)) for length in (height, width))
    index = jnp.arange(len(down) * len(right))
    count: Array | int = len(index)
    if needed is not None:
        reached = _over_patches(needed, lax.max, -jnp.inf)[:, :, 0] > 0
        chosen = reached[down[:, None], right].ravel()
        index, count = jnp.argsort(~chosen, stable=True), chosen.sum()
    return down[index // len(right)], right[index % len(right)], count


def _solve(y: Array, x: Array, precision: Array, use: Array) -> tuple[Array, Array]:
    """Returns the estimates of the patches of groups, and the weight of each.

    Args:
      y: the noisy ones, ``[n, c, count, values]``.
      x: the same patches of the pilot.
      precision: ``[n, c, count]``, one over the variance of each patch's noise.
      use: ``[n, 1, count]``: 1 for those that are used.

    With X of a row a patch and L the diagonal of the noise's variances, the combination of least
    expected error is X X^T (X X^T + L)^-1. It is as large as the group is; X (X^T L^-1 X + 1)^-1
    X^T L^-1, which is the same, needs the inverse of a matrix as large as a patch.
    """
    counted = (use / jnp.maximum(use.sum(-1, keepdims=True), 1))[..., None]
    mean_y, mean_x = (jnp.sum(counted * a, axis=2, keepdims=True) for a in (y, x))
    y, x = y - mean_y, x - mean_x
    weighted = x * precision[..., None]
    gram = jnp.einsum("ncki,nckj->ncij", x, weighted)
    one = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), gram.shape)
    inverse = cho_solve((jnp.linalg.cholesky(gram + one), True), one)
    combination = jnp.einsum("ncki,ncij,nclj->nckl", x, inverse, weighted)
    estimate = jnp.einsum("nckl,nclv->nckv", combination, y) + mean_y
    # One over the share of the noise's power that is left.
    left = jnp.sum(combination**2, axis=-1) + counted[..., 0]
    return estimate, (use / jnp.maximum(left, 1e-6))[..., None]


def _find_alike(guide: Array, whole: Array, rows: Array, columns: Array, valid: Array) -> _Group:
    """Finds the patches most like those that begin in ``rows`` and ``columns``."""
    side = 2 * _REACH + 1
    around = jnp.pad(guide, _REACH)
    allowed = jnp.pad(whole, _REACH, constant_values=False)

    def cut(image: Array, row: Array, column: Array, size: tuple[int, int]) -> Array:
        return lax.dynamic_slice(image, (row, column), size)

    own = jax.vmap(lambda r, c: cut(guide, r, c, (PATCH, PATCH)))(rows, columns)
    near = jax.vmap(lambda r, c: cut(around, r, c, (side + PATCH - 1,) * 2))(rows, columns)
    usable = jax.vmap(lambda r, c: cut(allowed, r, c, (side, side)))(rows, columns)
    differences = jnp.zeros((len(rows), side, side), guide.dtype)
    for down in range(PATCH):
        for right in range(PATCH):
            shifted = near[:, down : down + side, right : right + side]
            differences += (own[:, down, right, None, None] - shifted) ** 2
    differences = jnp.where(usable & valid[:, None, None], differences, jnp.inf)
    least, found = lax.top_k(-differences.reshape(len(rows), -1), _COUNT)
    use = jnp.isfinite(least)
    down, right = found // side - _REACH, found % side - _REACH
    return _Group(
        jnp.where(use, rows[:, None] + down, 0),
        jnp.where(use, columns[:, None] + right, 0),
        use.astype(guide.dtype),
    )


def _starts(length: int) -> np.ndarray:
    """Where the patches begin that are restored with their like: every few pixels, and last."""
    last = length - PATCH
    return np.unique(np.append(np.arange(0, last + 1, _STRIDE), last))


def _over_patches(image: Array, operation: Any, start: float) -> Array:
    """Returns a reduction over each patch of ``[h, w, c]``, at the place where it begins."""
    size = (PATCH, PATCH, 1)
    return lax.reduce_window(image, start, operation, size, (1, 1, 1), "VALID")
