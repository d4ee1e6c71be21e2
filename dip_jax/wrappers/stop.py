"""Early stopping: ends the run some steps after the best image, and returns that image."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dip_jax.base import Algorithm, Array, Image, Info, Key, Scalar, State, Task


class StopState(NamedTuple):
    """State of :func:`stop`."""

    inner: State
    count: Scalar
    """int32, steps taken."""
    total: Scalar
    """Exponentially weighted sum of the scores so far."""
    weight: Scalar
    """Sum of the weights in ``total``."""
    image: Image
    """The best image so far; the newest as long as there is none."""
    chosen: Scalar
    """int32, the step of the best image, from 1; 0 as long as there is none."""
    score: Scalar
    """The smoothed score of the best image."""


def stop(
    algorithm: Algorithm,
    score: Callable[[Info], Scalar],
    *,
    patience: float = 0.2,
    at_least: int = 50,
    start: int = 0,
    smoothing: float = 0.9,
) -> Algorithm:
    """Keeps the image of the step with the lowest score; ends the run when the score stops falling.

    ``stop(validated(average(dip(...))), lambda info: info.metrics["validation"])`` stops by
    the error on data that the fit does not see (:mod:`dip_jax.noise.splitting`). The scores of
    ``moving_variance`` and ``windowed_variance`` need no such data.

    Args:
      algorithm: its ``info`` is scored and its ``info.image`` is kept.
      score: lower is better. A score that uses a reference image is an oracle, for studies only.
      patience: the run ends when the number of steps after the best one reaches this fraction
        of all steps so far and ``at_least``.
      at_least: least number of steps after the best one before the run ends.
      start: number of first steps that are never chosen.
      smoothing: decay of an exponential average of the scores; 0 for none.

    Returns:
      An Algorithm whose ``estimate`` is the kept image and whose ``info.done`` ends the run.
      ``info.metrics["chosen"]`` is the step, from 1, whose image is kept, or 0 if none is yet.
      Steps whose score is not finite are counted but never chosen. Before the first choice the
      estimate is the newest image, before the first step it is black.
    """
    if not 0 <= patience < 1:
        raise ValueError(f"patience={patience!r}: must be at least 0 and below 1")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing!r}: must be at least 0 and below 1")

    def init(key: Key, task: Task, z: Array) -> StopState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        return StopState(
            inner,
            count=jnp.zeros((), jnp.int32),
            total=jnp.zeros(()),
            weight=jnp.zeros(()),
            image=jnp.zeros(image.shape, image.dtype),
            chosen=jnp.zeros((), jnp.int32),
            score=jnp.full((), jnp.inf, jnp.float32),
        )

    def step(state: StopState, task: Task) -> tuple[StopState, Info]:
        inner, info = algorithm.step(state.inner, task)
        count, value = state.count + 1, score(info)
        valid = jnp.isfinite(value) & (count > start)
        total = jnp.where(valid, smoothing * state.total + (1 - smoothing) * value, state.total)
        weight = jnp.where(valid, smoothing * state.weight + (1 - smoothing), state.weight)
        smooth = total / jnp.where(weight == 0, 1.0, weight)
        better = valid & (smooth < state.score)
        chosen = jnp.where(better, count, state.chosen)
        waited = count - chosen
        done = (chosen > 0) & (waited >= at_least) & (waited >= patience * count)
        state = StopState(
            inner,
            count,
            total,
            weight,
            # The newest image until one is chosen, so that an interrupted run has a result.
            image=jax.lax.cond(better | (chosen == 0), lambda: info.image, lambda: state.image),
            chosen=chosen,
            score=jnp.where(better, smooth, state.score),
        )
        metrics = {**info.metrics, "chosen": chosen}
        return state, info._replace(metrics=metrics, done=info.done | done)

    def estimate(state: StopState) -> Image:
        return state.image

    return Algorithm(init, step, estimate)


def until(algorithm: Algorithm, condition: Callable[[Info], Scalar]) -> Algorithm:
    """Ends the run after the first step whose ``condition(info)`` holds.

    ``until(fit, lambda info: info.loss <= sigma**2)`` is Morozov's discrepancy principle: the
    image need not be closer to the data than the true one, which differs by the noise.
    """

    def step(state: State, task: Task) -> tuple[State, Info]:
        state, info = algorithm.step(state, task)
        return state, info._replace(done=info.done | condition(info))

    return algorithm._replace(step=step)
