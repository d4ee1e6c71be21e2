"""Stops by blocks that are left out of the fit, wider than the noise is correlated."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.app.recipe.rules.base import (
    Division,
    Measurement,
    ValidatedRule,
    mean_weights,
)
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Key
from dip_jax.noise import NoiseModel, color, fill_smoothly, hold_out_blocks

_SPARSE = 3  # distance between the middles of two blocks, in sides of a block
_UNCORRELATED = 0.1  # correlation that is small enough to ignore
_FARTHEST = 5
_FEWEST = 3  # blocks along a side of the picture


@dataclass(frozen=True)
class HeldOutBlocks(ValidatedRule):
    """Compares with the middles of blocks that the fit does not see.

    For noise that neighbours share: the block around a middle hides all pixels that share its
    noise. In the input a block becomes its smooth continuation with new noise of the same kind,
    which exposes a network that passes noise through.
    """

    name = "held_out_blocks"
    summary = "by the middles of blocks held out of the fit"
    needs_noise = True
    least_pixels = 4096

    reach: int = 0
    """Pixels from a middle to its block's border."""

    def suits(self, task: TaskSpec, *, feeds_picture: bool) -> bool:
        return task.takes_noise and task.measures_pixels and feeds_picture

    def resolve(
        self, task: TaskSpec, y: np.ndarray, noise: NoiseModel | None, *, hides_pixels: bool
    ) -> "HeldOutBlocks":
        del task, hides_pixels
        room = min(y.shape[:2]) // (_FEWEST * _SPARSE)  # pixels for a block's side
        return self.replace(reach=max(1, min(_reach(noise), (room - 1) // 2)))

    def divide(
        self, key: Key, data: Measurement, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Division:
        del feeds_noise
        assert noise is not None
        y, known, mirror = data
        keys = jax.random.split(key)
        spacing = _SPARSE * (2 * self.reach + 1)
        held, middle = hold_out_blocks(keys[0], *y.shape[:2], reach=self.reach, spacing=spacing)
        there = (known * held).reshape(-1, 1)[mirror]  # in the margins too
        white = jax.random.normal(keys[1], y.shape)
        drawn = noise.standard_deviation(y) * color(white, noise.transfer(*y.shape[:2]))
        fitted = jnp.where(there > 0, fill_smoothly(y, there) + drawn, y)
        return Division(fitted, known * (1 - held), noise, 1.0, y, mean_weights(known * middle))


def _reach(noise: NoiseModel | None) -> int:
    """Returns the distance from which pixels hardly share noise."""
    if noise is None or noise.kernel is None:
        return 1
    kernel = np.asarray(noise.kernel)
    for lag in range(1, _FARTHEST):
        rows = np.einsum("uvip,uvip->i", kernel[lag:], kernel[:-lag])
        columns = np.einsum("uvip,uvip->i", kernel[:, lag:], kernel[:, :-lag])
        if max(rows.mean(), columns.mean()) < _UNCORRELATED:
            return lag
    return _FARTHEST
