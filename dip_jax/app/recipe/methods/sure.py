"""The generator as a denoiser, fitted by Stein's unbiased estimate of its error."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optax

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.methods.recorrupted import noisy_input
from dip_jax.app.recipe.records import check_at_least_0
from dip_jax.app.recipe.rules import Split
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Array, Generator, Image, Key, Scalar
from dip_jax.methods import NoisyInput


@dataclass(frozen=True)
class Sure(Method):
    """Extended SURE; see :func:`dip_jax.sure`."""

    name = "sure"
    feeds_picture = True
    feeds_noise = True

    extra_noise: float = 0.5
    """Noise added to the input at each step, at most so many times that of the picture."""

    def check(self) -> None:
        check_at_least_0("extra_noise", self.extra_noise)
        if not self.extra_noise:
            raise UserError("extra_noise", self.extra_noise, "must be above 0")

    @property
    def guard(self) -> dict[str, Any]:
        # The loss comes near 0 and falls below it: its ratio to an earlier one says nothing.
        return {"drop": math.inf}

    def suits(self, task: TaskSpec) -> bool:
        return task.measures_pixels and task.takes_noise

    def make_input(
        self, split: Split, picture: Callable[[], Array], size: tuple[int, int], key: Key
    ) -> NoisyInput:
        del size, key
        return noisy_input(split, picture)

    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        return dip_jax.sure(generator, optimizer, extra_noise=self.extra_noise, penalty=penalty)
