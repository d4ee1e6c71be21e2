"""Stops once the picture is as far from the data as the noise is."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import dip_jax
from dip_jax.app.recipe.rules.base import LEAST_NOISE, MakeTask, Rule, Split, validation_error
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Info, Scalar, Task
from dip_jax.noise import NoiseModel


@dataclass(frozen=True)
class Discrepancy(Rule):
    """Morozov's principle, for presets that fit the noisy picture itself."""

    name = "discrepancy"
    summary = (
        "once the picture is as far from the data as the noise is (for presets that fit the noisy "
        "picture itself)"
    )
    needs_noise = True

    def suits(self, task: TaskSpec, *, feeds_picture: bool) -> bool:
        # Methods that are fed the picture never come that near to the data. The loss of a task
        # that measures no pixels is not in units of the noise.
        return task.takes_noise and task.measures_pixels and not feeds_picture

    def validate(
        self, split: Split, make: MakeTask, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Task:
        del noise, feeds_noise
        assert split.sigma is not None
        # In units of the noise, weighted so that the mean is over what counts.
        unit = jnp.maximum(split.sigma, LEAST_NOISE / 255) * jnp.sqrt(jnp.mean(split.weight))
        return make(split.other, split.weight / unit)

    def stop(self, algorithm: Algorithm, patience: dict[str, Any]) -> Algorithm:
        del patience
        return dip_jax.until(dip_jax.validated(algorithm), _within_noise)


def _within_noise(info: Info) -> Scalar:
    return validation_error(info) <= 1
