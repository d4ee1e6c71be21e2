"""Variance of recent outputs: stopping scores that need neither a noise level nor other data.

While the network learns the picture, the variance falls; as it starts to fit the noise, the
variance rises again. The minimum is near the best output (Wang et al., Early Stopping for Deep
Image Prior, TMLR 2023). Wrap these around the bare fit, inside any average.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Algorithm, Array, Image, Info, Key, Scalar, State, Task


class MovingVarianceState(NamedTuple):
    """State of :func:`moving_variance`."""

    inner: State
    mean: Image
    """Exponentially weighted mean of the images."""
    variance: Scalar
    """Their exponentially weighted variance, the mean over pixels."""


def moving_variance(algorithm: Algorithm, rate: float = 0.1) -> Algorithm:
    """Adds ``info.metrics["variance"]``, the exponentially weighted variance of the images.

    This is the score of ES-EMV (algorithm 2 of the source), averaged over pixels. It takes the
    memory of one image.

    Args:
      algorithm: its ``info.image`` is tracked.
      rate: weight of the newest image, above 0 and below 1; 0.1 in the source.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate={rate!r}: must be above 0 and below 1")

    def init(key: Key, task: Task, z: Array) -> MovingVarianceState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        return MovingVarianceState(inner, jnp.zeros(image.shape, image.dtype), jnp.zeros(()))

    def step(state: MovingVarianceState, task: Task) -> tuple[MovingVarianceState, Info]:
        inner, info = algorithm.step(state.inner, task)
        change = info.image - state.mean
        variance = (1 - rate) * (state.variance + rate * jnp.mean(change**2))
        state = MovingVarianceState(inner, state.mean + rate * change, variance)
        return state, info._replace(metrics={**info.metrics, "variance": variance})

    def estimate(state: MovingVarianceState) -> Image:
        return algorithm.estimate(state.inner)

    return Algorithm(init, step, estimate)


class WindowedVarianceState(NamedTuple):
    """State of :func:`windowed_variance`."""

    inner: State
    recent: Array
    """``[window, values]``, a ring buffer of the last images."""
    count: Scalar
    """int32, steps taken."""


def windowed_variance(algorithm: Algorithm, window: int = 100, values: int = 2**14) -> Algorithm:
    """Adds ``info.metrics["variance"]``, the variance over the last ``window`` images.

    It is infinite for the first ``window - 1`` steps. This is the score of ES-WMV (algorithm 1
    of the source), which stores all images of the window. Here at most ``values`` evenly spaced
    values of each are stored, enough for the mean over pixels: 6.6 MB instead of 315 MB for
    512x512 in colour.

    Args:
      algorithm: its ``info.image`` is tracked.
      window: number of images, at least 2; 100 in the source.
      values: largest number of values stored per image.
    """
    if window < 2:
        raise ValueError(f"window={window!r}: must be at least 2")

    def indices(size: int) -> np.ndarray:
        return np.linspace(0, size - 1, min(size, values)).round().astype(np.int32)

    def init(key: Key, task: Task, z: Array) -> WindowedVarianceState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        recent = jnp.zeros((window, len(indices(image.size))), image.dtype)
        return WindowedVarianceState(inner, recent, jnp.zeros((), jnp.int32))

    def step(state: WindowedVarianceState, task: Task) -> tuple[WindowedVarianceState, Info]:
        inner, info = algorithm.step(state.inner, task)
        subset = info.image.reshape(-1)[indices(info.image.size)]
        recent = state.recent.at[state.count % window].set(subset)
        count = state.count + 1
        variance = jnp.where(count < window, jnp.inf, jnp.mean(jnp.var(recent, axis=0)))
        state = WindowedVarianceState(inner, recent, count)
        return state, info._replace(metrics={**info.metrics, "variance": variance})

    def estimate(state: WindowedVarianceState) -> Image:
        return algorithm.estimate(state.inner)

    return Algorithm(init, step, estimate)
