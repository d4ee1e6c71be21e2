"""How much the outputs still move: scores for stopping that need neither noise level nor data.

While the network learns the picture its outputs settle; as it turns to the noise they move
again. The valley between is near the best output (Wang et al., Early Stopping for Deep Image
Prior, TMLR 2023). To be put around the bare fit, inside of an average.
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
    variance: Scalar


def moving_variance(algorithm: Algorithm, rate: float = 0.1) -> Algorithm:
    """Adds ``info.metrics["variance"]``, the exponentially weighted variance of the images.

    The score of ES-EMV (their algorithm 2), for the mean over pixels. One image of memory.

    Args:
      algorithm: its ``info.image`` is what is followed.
      rate: weight of the newest image, above 0 and below 1; theirs is 0.1.
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
    """``[window, values]``, the last images, each in the place of the oldest."""
    count: Scalar


def windowed_variance(algorithm: Algorithm, window: int = 100, values: int = 2**14) -> Algorithm:
    """Adds ``info.metrics["variance"]``, the variance over the last images, infinite at first.

    The score of ES-WMV (their algorithm 1). It needs the images of the whole window; here of
    each only ``values`` values are kept, evenly spread, as the mean over pixels does not need
    all: 6.6 MB instead of 315 for 512x512 in colour.

    Args:
      algorithm: its ``info.image`` is what is followed.
      window: images, at least 2; theirs is 100.
      values: of each image, at most.
    """
    if window < 2:
        raise ValueError(f"window={window!r}: must be at least 2")

    def places(size: int) -> np.ndarray:
        return np.linspace(0, size - 1, min(size, values)).round().astype(np.int32)

    def init(key: Key, task: Task, z: Array) -> WindowedVarianceState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        recent = jnp.zeros((window, len(places(image.size))), image.dtype)
        return WindowedVarianceState(inner, recent, jnp.zeros((), jnp.int32))

    def step(state: WindowedVarianceState, task: Task) -> tuple[WindowedVarianceState, Info]:
        inner, info = algorithm.step(state.inner, task)
        some = info.image.reshape(-1)[places(info.image.size)]
        recent = state.recent.at[state.count % window].set(some)
        count = state.count + 1
        variance = jnp.where(count < window, jnp.inf, jnp.mean(jnp.var(recent, axis=0)))
        state = WindowedVarianceState(inner, recent, count)
        return state, info._replace(metrics={**info.metrics, "variance": variance})

    def estimate(state: WindowedVarianceState) -> Image:
        return algorithm.estimate(state.inner)

    return Algorithm(init, step, estimate)
