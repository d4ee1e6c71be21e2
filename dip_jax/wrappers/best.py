"""The best image so far, by a criterion of the caller's."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dip_jax.base import Algorithm, Array, Image, Info, Key, Scalar, State, Task


class BestState(NamedTuple):
    """State of :func:`best`."""

    inner: State
    image: Image
    score: Scalar


def best(algorithm: Algorithm, score: Callable[[Info], Scalar]) -> Algorithm:
    """Keeps the image of the step with the lowest ``score(info)``.

    There is no default: the training loss, ``lambda info: info.loss``, suits a network that
    can't fit the damage (Deep Decoder) and operators that lose information, while in
    denoising it picks the most over-fitted image. A validation error among ``info.metrics``
    suits everything. A score that uses a reference image is an oracle: for studies only.

    Returns:
      An Algorithm whose ``estimate`` is the kept image; ``info`` passes unchanged. A step
      whose score is not finite is never kept; before the first step the estimate is black.
    """

    def init(key: Key, task: Task, z: Array) -> BestState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        return BestState(
            inner, jnp.zeros(image.shape, image.dtype), jnp.full((), jnp.inf, jnp.float32)
        )

    def step(state: BestState, task: Task) -> tuple[BestState, Info]:
        inner, info = algorithm.step(state.inner, task)
        value = score(info)
        better = (value < state.score) & jnp.isfinite(value)
        image = jnp.where(better, info.image, state.image)
        return BestState(inner, image, jnp.where(better, value, state.score)), info

    def estimate(state: BestState) -> Image:
        return state.image

    return Algorithm(init, step, estimate)
