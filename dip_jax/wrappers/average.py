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
    """Returns the bias-corrected exponential average of the steps' images.

    This is the paper's "exponential sliding window" (section 3, +1.2 dB in denoising). The
    original code starts the average at the first output; here the bias is corrected as in Adam
    (Kingma and Ba, section 3).

    Args:
      algorithm: its ``info.image`` is averaged.
      decay: decay of the average per step, in [0, 1); the original uses 0.99.

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
