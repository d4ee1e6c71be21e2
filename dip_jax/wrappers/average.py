"""Averaging of the iterates."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dip_jax.base import Algorithm, Array, Image, Info, Key, Scalar, State, Task


class AverageState(NamedTuple):
    """State of :func:`average`."""

    inner: State
    total: Image
    """Exponentially weighted sum of the images so far."""
    weight: Scalar
    """Sum of the weights in ``total``; tends to 1."""


def average(algorithm: Algorithm, decay: float = 0.99) -> Algorithm:
    """Averages the images of the steps exponentially, without bias towards the first ones.

    The paper's "exponential sliding window" (section 3, +1.2 dB in denoising), with the
    correction of Adam (Kingma and Ba, section 3) in place of the original code's start from
    the first output.

    Args:
      algorithm: its ``info.image`` is what is averaged.
      decay: weight kept from step to step, in [0, 1); 0.99 is the original's.

    Returns:
      An Algorithm whose ``info.image`` and ``estimate`` are the average. Before the first
      step the estimate is black.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay={decay!r}: must be at least 0 and below 1")

    def init(key: Key, task: Task, z: Array) -> AverageState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        return AverageState(inner, jnp.zeros(image.shape, image.dtype), jnp.zeros(()))

    def step(state: AverageState, task: Task) -> tuple[AverageState, Info]:
        inner, info = algorithm.step(state.inner, task)
        total = decay * state.total + (1 - decay) * info.image
        weight = decay * state.weight + (1 - decay)
        state = AverageState(inner, total, weight)
        return state, info._replace(image=estimate(state))

    def estimate(state: AverageState) -> Image:
        return state.total / jnp.where(state.weight == 0, 1.0, state.weight)

    return Algorithm(init, step, estimate)


class AveragesState(NamedTuple):
    """State of :func:`averages`."""

    inner: State
    totals: Array
    """``[k, h, w, c]``: exponentially weighted sums of the images so far."""
    weights: Array
    """``[k]``: sums of the weights in ``totals``."""
    errors: Array
    """``[k]``: the averages' validation errors, smoothed as the longest average is."""


def averages(algorithm: Algorithm, decays: Sequence[float] = (0.9, 0.98, 0.99)) -> Algorithm:
    """Several averages as by :func:`average`, of which the validation error chooses one.

    Early in a fit, and where the learning rate does not fall, a long average is behind; late, a
    short one is noisy. How long it should be differs with picture and damage.

    Args:
      algorithm: its ``info.image`` is what is averaged.
      decays: two or more, each in [0, 1).

    Returns:
      An Algorithm whose ``info.image`` and ``estimate`` are the average of the least validation
      error, itself smoothed over the steps with the largest of ``decays``;
      ``info.metrics["decay"]`` is its decay.

    Raises:
      ValueError: for decays out of range; and at the first step, if the task has no validation:
        see :func:`~dip_jax.validate`.
    """
    if len(decays) < 2 or not all(0 <= decay < 1 for decay in decays):
        raise ValueError(f"decays={decays!r}: must be two or more, each at least 0 and below 1")
    kept = jnp.array(decays, jnp.float32)
    longest = max(decays)

    def init(key: Key, task: Task, z: Array) -> AveragesState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        totals = jnp.zeros((len(decays), *image.shape), image.dtype)
        return AveragesState(inner, totals, jnp.zeros(len(decays)), jnp.zeros(len(decays)))

    def step(state: AveragesState, task: Task) -> tuple[AveragesState, Info]:
        if task.validation is None:
            raise ValueError("the task has no validation: make one with dip_jax.validate")
        inner, info = algorithm.step(state.inner, task)
        share = kept[:, None, None, None]
        totals = share * state.totals + (1 - share) * info.image[None]
        weights = kept * state.weights + (1 - kept)
        now = jax.vmap(task.validation)(totals / weights[:, None, None, None])
        # All are smoothed alike, so the sums' missing weight does not matter to the choice.
        errors = longest * state.errors + (1 - longest) * now
        state = AveragesState(inner, totals, weights, errors)
        metrics = {**info.metrics, "decay": kept[jnp.argmin(errors)]}
        return state, info._replace(image=estimate(state), metrics=metrics)

    def estimate(state: AveragesState) -> Image:
        chosen = jnp.argmin(state.errors)
        weight = state.weights[chosen]
        return state.totals[chosen] / jnp.where(weight == 0, 1.0, weight)

    return Algorithm(init, step, estimate)
