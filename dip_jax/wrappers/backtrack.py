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
    """The inner state at the last snapshot, known to have had ``saved_loss``."""
    saved_loss: Scalar
    """The loss then, averaged as the loss since is."""
    loss: Scalar
    """The loss of the last step taken, averaged over those before; infinite before the first."""
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
    """Returns to the last good state when the loss jumps up or is no longer finite.

    Deep Image Prior with a large learning rate diverges now and then (README of the original
    code; its ``Backtracking``). A step's loss tells of the parameters that it started from:
    when it is too high, the step is not taken and everything inside (parameters, optimiser
    state, averages, best images) is as it was at the snapshot. All random keys are changed,
    and all numbers but a generator's input by a millionth, so that the same course is not run
    again. (A fit without jitter that diverges all the same, because its learning rate is too
    high, stays at its last good state.)

    Wrap it around whatever must be restored: ``backtrack(average(dip(...)))``.

    Args:
      algorithm: what to guard.
      drop: tolerated fall of the data fit against the snapshot, in dB (the original's 5). It is
        meant of losses above 0; of one below, the size counts. Infinite: only a loss that is not
        finite is refused.
      smoothing: decay of an exponential average of the loss, which is compared in its place. For
        a loss that is noisy by nature, such as one of a few random pixels: a true divergence
        lasts, and lifts the average too.
      every: steps between snapshots. A snapshot holds a second copy of the state.
      limit: after so many restorations only a loss that is not finite is refused, lest a
        loss that is noisy by nature hold the fit for ever.

    Returns:
      An Algorithm that adds ``info.metrics["restores"]``, restorations so far. The refused
      step's ``info`` still shows what it saw, except that its image is the restored
      estimate, so that no outer average takes in a diverged image.
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
        saved = jax.tree.map(jnp.copy, inner)  # no shared buffers: states are donated
        zero, infinite = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, jnp.float32)
        return BacktrackState(inner, saved, infinite, jnp.copy(infinite), zero, jnp.copy(zero))

    def step(state: BacktrackState, task: Task) -> tuple[BacktrackState, Info]:
        inner, info = algorithm.step(state.inner, task)
        loss = info.loss
        if smoothing:
            mixed = smoothing * state.loss + (1 - smoothing) * loss
            loss = jnp.where(jnp.isinf(state.loss), loss, mixed)
        most = state.saved_loss + (tolerated - 1) * jnp.abs(state.saved_loss)
        risen = (loss > most) & (state.restores < limit) & (drop < math.inf)
        diverged = risen | ~jnp.isfinite(info.loss)
        restores = state.restores + diverged
        # The state before the step is the one whose loss is known: that one is kept.
        due = ~diverged & ((state.age >= every) | jnp.isinf(state.saved_loss))
        # Branches of whole states: a choice for each of some hundred leaves would take seconds
        # to trace and compile.
        state = BacktrackState(
            inner=jax.lax.cond(
                diverged,
                lambda: _on_another_course(state.saved, restores),
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


def _on_another_course(state: State, count: Scalar) -> State:
    """Folds ``count`` into every random key and scales all floats by nearly 1.

    A fit without randomness of its own needs the latter: what rounding differs by at first
    grows to another course within some tens of steps. A generator's input stays: it is data, a
    mask's 1 among them.
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
