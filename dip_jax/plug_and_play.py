"""Refines a fit of any linear measurement: a non-local denoiser and the measurement take turns.

A network omits detail that few measurements determine. Here its result is treated as a picture with
a little noise. The denoiser removes the noise, then the picture is made to agree with the
measurement again, and so on, with less and less noise.

Source: Venkatakrishnan, Bouman and Wohlberg, Plug-and-play priors for model based reconstruction,
GlobalSIP 2013; by half-quadratic splitting with falling levels: Zhang et al., Plug-and-play image
restoration with deep denoiser prior, TPAMI 2022. The denoiser is that of :mod:`dip_jax.non_local`,
which finds similar patches in the result of the round before.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jax.tree_util import Partial

from dip_jax.base import Array, ArrayLike, Image
from dip_jax.colors import color_basis
from dip_jax.compilation import jit
from dip_jax.non_local import PATCH, combine_patches
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
    needed: ArrayLike | None = None,
    levels: tuple[float, float] = (20.0, 5.0),
    rounds: int = 80,
) -> Image:
    """Returns a better solution of ``operator(image) = y + noise`` than ``restored``.

    Each round removes noise of a level that falls from the first of ``levels`` to the last, and
    then solves for the image nearest to the result that agrees with the measurement, as far as its
    noise allows.

    A second measurement of the same shape compiles nothing if ``operator`` is the same function,
    or a ``jax.tree_util.Partial`` of it with other arrays. A new lambda compiles each time, and
    stays in memory with what it captures.

    Args:
      operator: linear and differentiable, from a real image ``[h, w, c]`` to a measurement, such
        as those of :mod:`dip_jax.operators`; for a complex ``restored``, from a complex image.
      y: the measurement.
      restored: a first solution ``[h, w, c]``, in any units, real or complex, such as a fit's. A
        better one leads to a better result.
      sigma: standard deviation of the noise of ``y``, in its units; of a complex ``y``, of each
        component. A number, not to be traced.
      known: weights of the errors of ``y``, of its shape or one that broadcasts to it: 1 where it
        was measured, 0 elsewhere. There ``y`` may be anything, even NaN.
      needed: where ``restored`` may have errors, ``[h, w]``: 1 there, 0 elsewhere. The denoiser
        then leaves out what lies 26 pixels from it or more, and its time.
      levels: the noise removed in the first round and in the last, in 1/255 of the range of
        ``restored``. The first should be near the typical error of ``restored``.
      rounds: more of them cost time and give a little more.

    Returns:
      An image of the shape of ``restored``, float32 or complex64.

    Raises:
      ValueError: for ``restored`` of another rank or fewer than 5x5 pixels, or a ``y`` of another
        shape than the operator's; for values that are not finite; if ``sigma``, a level or the
        number of rounds is out of range.
    """
    _check_numbers(sigma, levels, rounds)
    restored = jnp.asarray(restored)
    turned = jnp.iscomplexobj(restored)
    restored = restored.astype(jnp.complex64 if turned else jnp.float32)
    if restored.ndim != 3 or not restored.shape[2] or min(restored.shape[:2]) < PATCH:
        shape = f"restored has the shape {restored.shape}"
        raise ValueError(f"{shape}: must be [h, w, c] with at least {PATCH}x{PATCH} pixels")
    if needed is not None and jnp.shape(needed) != restored.shape[:2]:
        shape = f"needed has the shape {jnp.shape(needed)}"
        raise ValueError(f"{shape}: must be {restored.shape[:2]}")
    operator = operator if isinstance(operator, Partial) else Partial(operator)
    made = jax.eval_shape(operator, restored)
    y, known = jnp.asarray(y), jnp.asarray(known, jnp.float32)
    if y.shape != made.shape or jnp.broadcast_shapes(known.shape, y.shape) != y.shape:
        shapes = f"y has the shape {y.shape}, known {known.shape}"
        raise ValueError(f"{shapes}: the operator returns {made.shape}")
    y = jnp.where(known != 0, y, 0).astype(made.dtype)
    for name, array in (("y", y), ("known", known), ("restored", restored)):
        if not jnp.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not finite")

    # Turned so that it is as real as can be: patches of real and imaginary parts are compared.
    phase = jnp.exp(0.5j * jnp.angle(jnp.sum(restored**2))) if turned else None
    if turned:
        operator = Partial(_of_parts, operator, phase)
        restored = restored / phase
        restored = jnp.concatenate([restored.real, restored.imag], axis=2)
    if needed is not None:
        needed = jnp.asarray(needed, jnp.float32)[:, :, None]
    equations, image = _prepare(operator, y, restored, np.float32(sigma), known, needed)
    pilot = image
    # Not one compiled loop, which could not be interrupted.
    for level in np.geomspace(levels[0], levels[1], rounds):
        image, pilot = _improve(operator, known, equations, image, pilot, np.float32(level / 255))
    image = equations.low + equations.size * image
    return phase * to_complex(image) if turned else image


def _check_numbers(sigma: Any, levels: Any, rounds: Any) -> None:
    if np.ndim(sigma) or not 0 <= float(sigma) < np.inf:
        raise ValueError(f"sigma={sigma!r}: must be a number of 0 or more")
    if np.shape(levels) != (2,) or not all(0 < float(level) < np.inf for level in levels):
        raise ValueError(f"levels={levels!r}: must be two numbers above 0")
    if isinstance(rounds, bool) or not isinstance(rounds, int | np.integer) or rounds < 1:
        raise ValueError(f"rounds={rounds!r}: must be a whole number of at least 1")


class _Equations(NamedTuple):
    """What all rounds share; the image's range is [0, 1] there."""

    target: Image
    """The adjoint of the measurement."""
    variance: Array
    """Of the measurement's noise, but not less than solving for the image needs."""
    low: Array
    size: Array
    """The image's own range is from ``low`` to ``low + size``."""
    whole: Array
    """``[h, w, 1]`` of ones. (Constants of this size would take seconds to compile.)"""
    needed: Array | None
    """``[h, w, 1]``, 1 where the image may have errors; None means everywhere."""


def _of_parts(operator: Callable[[Image], Array], phase: Array, image: Image) -> Array:
    return operator(phase * to_complex(image))


@jit
def _prepare(
    operator: Partial,
    y: Array,
    restored: Image,
    sigma: Array,
    known: Array,
    needed: Array | None,
) -> tuple[_Equations, Image]:
    """Returns the equations, and the first solution in their units."""
    low, high = jnp.min(restored), jnp.max(restored)
    size = jnp.where(high > low, high - low, 1)
    image = (restored - low) / size
    y = (y - operator(jnp.full_like(restored, low))) / size
    target = apply_adjoint(operator, known**2 * y, restored.shape)
    length = jnp.linalg.norm(image.ravel())
    gain = jnp.linalg.norm((known * operator(image)).ravel()) / jnp.where(length > 0, length, 1)
    sigma = jnp.maximum(sigma / size, _LEAST_NOISE * gain)
    whole = jnp.ones((*restored.shape[:2], 1))
    return _Equations(target, sigma**2, low, size, whole, needed), image


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
    # Groups of patches differ much less than their values: TF32 would lose the difference.
    with jax.default_matmul_precision("float32"):
        basis = color_basis(image.shape[2])
        variance = jnp.full(image.shape, level**2)
        noisy, guide = image @ basis.T, pilot @ basis.T
        found = combine_patches(noisy, guide, variance, equations.whole, equations.needed)
        pilot = found @ basis
        share = equations.variance / level**2

        def weigh(part: Image) -> Image:
            return apply_adjoint(operator, known**2 * operator(part), image.shape) + share * part

        target = equations.target + share * pilot
        image, _ = cg(weigh, target, x0=pilot, maxiter=_SOLVER_STEPS, tol=_TOLERANCE)
    return image, pilot
