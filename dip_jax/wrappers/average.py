"""Averaging of the iterates."""

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
