"""Stops by a few pixels that are left out of the fit."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax.app.recipe.rules.base import (
    Division,
    MakeTask,
    Measurement,
    Split,
    ValidatedRule,
    mean_weights,
)
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Key, Task
from dip_jax.noise import NoiseModel, clipped_mean, fill_held_out, hold_out

_SHARE = 0.03  # of the known pixels, if they are chosen at random


@dataclass(frozen=True)
class HeldOut(ValidatedRule):
    """Compares with pixels that the fit does not see.

    For all tasks whose noise is independent from pixel to pixel, or that have none. It needs no
    noise level and no Gaussian noise. A small picture to be enlarged has no pixel to spare (0.6 dB
    lost on a zebra).
    """

    name = "held_out"
    summary = "by pixels held out of the fit"
    needs_independence = True
    least_pixels = 1024  # with fewer, too few are held out to tell much

    spacing: int = 0
    """Side in pixels of the squares that each give one held-out pixel; 0: pixels at random."""
    leaves_holes: bool = False
    """Whether held-out pixels become holes; otherwise they are filled in from their neighbours."""

    def suits(self, task: TaskSpec, *, feeds_picture: bool) -> bool:
        del feeds_picture
        return task.independent_pixels

    def resolve(
        self, task: TaskSpec, y: np.ndarray, noise: NoiseModel | None, *, hides_pixels: bool
    ) -> "HeldOut":
        spacing = 0 if task.has_holes else _spacing(y, noise)
        return self.replace(spacing=spacing, leaves_holes=task.has_holes or hides_pixels)

    def divide(
        self, key: Key, data: Measurement, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Division:
        del feeds_noise
        y, known, mirror = data
        if self.spacing:
            held = known * hold_out(key, *y.shape[:2], spacing=self.spacing)
        else:
            held = known * jax.random.bernoulli(key, _SHARE, known.shape)
        # In the margins too, which repeat the picture: a value would come back from there.
        there = held.reshape(-1, 1)[mirror]
        fitted = y * (1 - held) if self.leaves_holes else fill_held_out(y, there)
        return Division(fitted, known - held, noise, 1.0, y, mean_weights(held))

    def validate(
        self, split: Split, make: MakeTask, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Task:
        task = make(split.other, split.weight)
        if not feeds_noise:
            return task
        # The same program where nothing was clipped.
        assert noise is not None
        return dip_jax.precompose(Partial(clipped_mean, noise.clipping_model()), task)


def _spacing(y: np.ndarray, noise: NoiseModel | None) -> int:
    """Returns the side of the squares from each of which one pixel of ``y [h, w, c]`` is held out.

    That is 2 % of 128x128, 1 % of 256x256. The fit misses what is held out (0.1 dB for 2 %), and
    large pictures need a smaller share for as reliable a choice: half the share for four times the
    pixels. Strong noise takes three times as many pixels: it makes the choice less reliable and a
    wrong one costlier, while neighbours predict a pixel as well as its own noisy value does.
    """
    # Few different values: each compiles ``split`` again.
    spacing = 7
    if noise is not None:
        level = max(noise.standard_deviation_at_level(255 * float(jnp.mean(y))), 25)
        spacing = max(round(7 * (25 / level) ** 0.75), 4)  # 4 at sigma 50
    return max(3, round(spacing * (y.shape[0] * y.shape[1] / 128**2) ** 0.25))
