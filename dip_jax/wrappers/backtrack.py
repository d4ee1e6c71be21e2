"""Recovery from divergence."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dip_jax.base import Algorithm, Array, Image, Info, Key, Scalar, State, Task
from dip_jax.methods.descent import DipState


class BacktrackState(NamedTuple):
    """State of :func:`backtrack`."""

    inner: State
    saved: State
    """The inner state at the last snapshot, whose loss is ``saved_loss``."""
    saved_loss: Scalar
    """The loss at the snapshot, averaged like ``loss``."""
    loss: Scalar
    """The loss of the last accepted step, averaged over earlier steps; infinite at first."""
    age: Scalar
    """int32, steps since the snapshot."""
    restores: Scalar
    """int32, how often the snapshot was restored."""


def backtrack(
    algorithm: Algorithm,
    *,
    drop: float = 5.0,
    smoothing: float = 0.0,
    every: int = 50,
    limit: int = 20,
) -> Algorithm:
    """Restores the last good state when the loss jumps up or is no longer finite.

    Deep Image Prior with a large learning rate sometimes diverges (README of the original
    code; its ``Backtracking``). The loss of a step is that of the parameters it started from.
    If it is too high, the step is rejected and the whole inner state (parameters, optimiser
    state, averages, kept images) is restored from the snapshot. All random keys are then
    changed, and all floats except a generator's input scaled by about a millionth, so that the
    fit takes another course. (A fit without jitter whose learning rate is too high diverges
    again and stays at its last good state.)

    Wrap it around everything that must be restored: ``backtrack(average(dip(...)))``.

    Args:
      algorithm: the algorithm to guard.
      drop: tolerated drop of the data fit below the snapshot's, in dB (5 in the original). This
        assumes losses above 0; for a negative loss the absolute value is the scale. If
        infinite, only losses that are not finite are rejected.
      smoothing: decay of an exponential average of the loss, which is compared instead of the
        loss. It is for noisy losses, such as those over a few random pixels: a real divergence
        lasts and raises the average too.
      every: steps between snapshots. A snapshot is a second copy of the state.
      limit: number of restorations after which only losses that are not finite are rejected,
        so that a noisy loss cannot stall the fit for ever.

    Returns:
      An Algorithm that adds ``info.metrics["restores"]``, the number of restorations so far.
      The ``info`` of a rejected step is unchanged except for its image, which is the restored
      estimate, so that no outer average includes a diverged image.
    """
    if not drop > 0:
        raise ValueError(f"drop={drop!r}: must be positive, in dB")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing!r}: must be at least 0 and below 1")
    if every < 1:
        raise ValueError(f"every={every!r}: must be at least 1")
    tolerated = 10 ** (drop / 10) if drop < math.inf else 1.0

    def init(key: Key, task: Task, z: Array) -> BacktrackState:
        inner = algorithm.init(key, task, z)
        saved = jax.tree.map(jnp.copy, inner)  # states are donated: they may share no buffers
        zero, infinite = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, jnp.float32)
        return BacktrackState(inner, saved, infinite, jnp.copy(infinite), zero, jnp.copy(zero))

    def step(state: BacktrackState, task: Task) -> tuple[BacktrackState, Info]:
        inner, info = algorithm.step(state.inner, task)
        loss = info.loss
        if smoothing:
            mixed = smoothing * state.loss + (1 - smoothing) * loss
            loss = jnp.where(jnp.isinf(state.loss), loss, mixed)
        threshold = state.saved_loss + (tolerated - 1) * jnp.abs(state.saved_loss)
        too_high = (loss > threshold) & (state.restores < limit) & (drop < math.inf)
        diverged = too_high | ~jnp.isfinite(info.loss)
        restores = state.restores + diverged
        # The snapshot is the state before the step, since its loss is known.
        due = ~diverged & ((state.age >= every) | jnp.isinf(state.saved_loss))
        # Branches on whole states: a select for each of some hundred leaves would take seconds
        # to trace and compile.
        state = BacktrackState(
            inner=jax.lax.cond(
                diverged,
                lambda: _perturb(state.saved, restores),
                lambda: inner,
            ),
            saved=jax.lax.cond(due, lambda: state.inner, lambda: state.saved),
            saved_loss=jnp.where(due, loss, state.saved_loss),
            loss=jnp.where(diverged, state.saved_loss, loss),
            age=jnp.where(due | diverged, 0, state.age + 1),
            restores=restores,
        )
        image = jax.lax.cond(diverged, lambda: algorithm.estimate(state.inner), lambda: info.image)
        return state, info._replace(image=image, metrics={**info.metrics, "restores": restores})

    def estimate(state: BacktrackState) -> Image:
        return algorithm.estimate(state.inner)

    return Algorithm(init, step, estimate)


def _perturb(state: State, count: Scalar) -> State:
    """Folds ``count`` into every random key and scales all floats by nearly 1.

    A deterministic fit needs the scaling: the small difference grows within some tens of steps
    and leads to another course. A generator's input is unchanged: it is data, and may contain a
    mask of exact ones.
    """

    def is_fit(node: Any) -> bool:
        return isinstance(node, DipState)

    def change(node: Any) -> Any:
        if is_fit(node):
            return jax.tree.map(change_leaf, node)._replace(z=node.z)
        return change_leaf(node)

    def change_leaf(leaf: Array) -> Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.fold_in(leaf, count)
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf * (1 - 1e-6 * count).astype(leaf.dtype)
        return leaf

    return jax.tree.map(change, state, is_leaf=is_fit)
