"""Stopping: ends the run some steps after the best image, and returns that one."""

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
    image: Image
    """The best image so far, its step (from 1; 0 before there is one), its smoothed score."""
    chosen: Scalar
    score: Scalar


def stop(
    algorithm: Algorithm,
    score: Callable[[Info], Scalar],
    *,
    patience: float = 0.2,
    at_least: int = 50,
    start: int = 0,
    smoothing: float = 0.9,
) -> Algorithm:
    """Keeps the image of the step with the lowest score and ends the run when none is lower.

    ``stop(validated(average(dip(...))), lambda info: info.metrics["validation"])`` stops by
    the error on data that the fit does not see (:mod:`dip_jax.splitting`); ``moving_variance``
    and ``windowed_variance`` give scores that need no such data.

    Args:
      algorithm: its ``info`` is what is scored, its ``info.image`` what is kept.
      score: the lower the better; one that uses a reference image is an oracle, for studies.
      patience: the run ends when this share of its steps lies behind the best one,
      at_least: and so many steps.
      start: steps that come first and are never chosen.
      smoothing: of the scores, the decay of an exponential mean; 0 for none.

    Returns:
      An Algorithm whose ``estimate`` is the kept image and whose ``info.done`` ends the run.
      ``info.metrics`` gets ``chosen``, the step (from 1) whose image is kept, 0 for none.
      Steps whose score is not finite count, but are not chosen. Before the first choice the
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
        counts = jnp.isfinite(value) & (count > start)
        total = jnp.where(counts, smoothing * state.total + (1 - smoothing) * value, state.total)
        weight = jnp.where(counts, smoothing * state.weight + (1 - smoothing), state.weight)
        smooth = total / jnp.where(weight == 0, 1.0, weight)
        better = counts & (smooth < state.score)
        chosen = jnp.where(better, count, state.chosen)
        behind = count - chosen
        done = (chosen > 0) & (behind >= at_least) & (behind >= patience * count)
        state = StopState(
            inner,
            count,
            total,
            weight,
            # Until there is a choice, the newest: who interrupts wants to see something.
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

    ``until(fit, lambda info: info.loss <= sigma**2)`` is the discrepancy principle of
    Morozov: no image needs to be closer to the data than the noise is.
    """

    def step(state: State, task: Task) -> tuple[State, Info]:
        state, info = algorithm.step(state, task)
        return state, info._replace(done=info.done | condition(info))

    return algorithm._replace(step=step)
