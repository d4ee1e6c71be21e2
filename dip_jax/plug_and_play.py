"""A denoiser and the measurement in turn: what a fit restored becomes sharper and agrees better.

A network's fit of few measurements is smooth where they tell little. Here its result is taken for a
picture with a little noise, which a non-local denoiser removes; then it is made to agree with the
measurement again; and so on, with less and less noise.

Source: Venkatakrishnan, Bouman and Wohlberg, Plug-and-play priors for model based reconstruction,
GlobalSIP 2013; by half-quadratic splitting with falling levels: Zhang et al., Plug-and-play image
restoration with deep denoiser prior, TPAMI 2022. The denoiser is that of :mod:`dip_jax.non_local`,
which finds alike patches in the picture of the round before.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jax.tree_util import Partial

from dip_jax.base import Array, ArrayLike, Image
from dip_jax.compilation import jit
from dip_jax.non_local import OPPONENT, PATCH, combine_patches
from dip_jax.operators import apply_adjoint, to_complex

_SOLVER_STEPS = 5  # of conjugate gradients in a round; each begins where the round before ended
_TOLERANCE = 1e-6
_LEAST_NOISE = 1e-3  # of the measurement; with exact data the equations would be stiff


def refine_measured(
    operator: Callable[[Image], Array],
    y: ArrayLike,
    restored: ArrayLike,
    *,
    sigma: float,
    known: ArrayLike | float = 1.0,
    levels: tuple[float, float] = (20.0, 5.0),
    rounds: int = 80,
) -> Image:
    """Returns a better solution of ``operator(image) = y + noise`` than ``restored``.

    Each round removes noise of a level that falls from the first of ``levels`` to the last, and
    then solves for the image nearest to the result that agrees with the measurement, as far as its
    noise allows. A second measurement of the same shape compiles nothing.

    Args:
      operator: linear and differentiable, from a real image ``[h, w, c]`` to a measurement, such
        as those of :mod:`dip_jax.operators`; for a complex ``restored``, from a complex image. A
        ``jax.tree_util.Partial`` holds its arrays.
      y: the measurement.
      restored: a first solution ``[h, w, c]``, in any units, real or complex, such as a fit's. A
        better one leads to a better result.
      sigma: standard deviation of the noise of ``y``, in its units; of a complex ``y``, of each
        component.
      known: weights of the values of ``y``, of its shape or one that broadcasts to it: 1 where it
        was measured, 0 elsewhere.
      levels: the noise taken away in the first round and in the last, in 1/255 of the range of
        ``restored``. The first should be near the typical error of ``restored``.
      rounds: more of them cost time and give a little more.

    Returns:
      An image of the shape and kind of ``restored``.

    Raises:
      ValueError: for ``restored`` of another rank or fewer than 5x5 pixels; if ``sigma``, a level
        or the number of rounds is out of range.
    """
    restored = jnp.asarray(restored)
    if restored.ndim != 3 or min(restored.shape[:2]) < PATCH:
        shape = f"restored has the shape {restored.shape}"
        raise ValueError(f"{shape}: must be [h, w, c] with at least {PATCH}x{PATCH} pixels")
    if not sigma >= 0:
        raise ValueError(f"sigma={sigma!r}: must be 0 or more")
    if not min(levels) > 0:
        raise ValueError(f"levels={levels!r}: must be above 0")
    if rounds < 1:
        raise ValueError(f"rounds={rounds!r}: must be at least 1")
    operator = operator if isinstance(operator, Partial) else Partial(operator)
    turned = jnp.iscomplexobj(restored)
    if turned:
        operator = Partial(_of_parts, operator)
        restored = jnp.concatenate([restored.real, restored.imag], axis=2)
    known = jnp.asarray(known, jnp.float32)
    equations = _prepare(operator, jnp.asarray(y), restored, sigma, known)
    image, pilot = restored, _to_pilot(equations, restored)
    # Not one compiled loop, which could not be interrupted.
    for level in np.geomspace(*levels, rounds):
        image, pilot = _improve(operator, known, equations, image, pilot, np.float32(level / 255))
    return to_complex(image) if turned else image


class _Equations(NamedTuple):
    """What all rounds share."""

    target: Image
    """The adjoint of the measurement."""
    variance: Array
    """Of the measurement's noise, but not less than solving for the image needs."""
    low: Array
    size: Array
    """The image's range is from ``low`` to ``low + size``."""
    whole: Array
    """``[h, w, 1]`` of ones. (Constants of this size would take seconds to compile.)"""


def _of_parts(operator: Callable[[Image], Array], image: Image) -> Array:
    return operator(to_complex(image))


def _basis(channels: int) -> Array:
    return jnp.asarray(OPPONENT if channels == 3 else np.eye(channels, dtype=np.float32))


@jit
def _prepare(operator: Partial, y: Array, restored: Image, sigma: Any, known: Array) -> _Equations:
    low, high = jnp.min(restored), jnp.max(restored)
    size = jnp.where(high > low, high - low, 1)
    target = apply_adjoint(operator, known**2 * y, restored.shape)
    length = jnp.linalg.norm(restored.ravel())
    gain = jnp.linalg.norm((known * operator(restored)).ravel()) / jnp.where(length > 0, length, 1)
    sigma = jnp.maximum(sigma, _LEAST_NOISE * gain * size)
    return _Equations(target, sigma**2, low, size, jnp.ones((*restored.shape[:2], 1)))


@jit
def _to_pilot(equations: _Equations, image: Image) -> Image:
    return (image - equations.low) / equations.size @ _basis(image.shape[2]).T


@jit
def _improve(
    operator: Partial,
    known: Array,
    equations: _Equations,
    image: Image,
    pilot: Image,
    level: Array,
) -> tuple[Image, Image]:
    """One round: returns the image, and what the denoiser made of the one before."""
    target, variance, low, size, whole = equations
    # Groups of patches differ much less than their values: TF32 would lose the difference.
    with jax.default_matmul_precision("float32"):
        noisy = _to_pilot(equations, image)
        pilot = combine_patches(noisy, pilot, jnp.full(image.shape, level**2), whole)
        smooth = low + size * (pilot @ _basis(image.shape[2]))
        share = variance / (size * level) ** 2

        def weigh(part: Image) -> Image:
            return apply_adjoint(operator, known**2 * operator(part), image.shape) + share * part

        image, _ = cg(
            weigh, target + share * smooth, x0=smooth, maxiter=_SOLVER_STEPS, tol=_TOLERANCE
        )
    return image, pilot
