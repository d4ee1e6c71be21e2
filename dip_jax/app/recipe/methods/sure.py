"""The generator as a denoiser, fitted by Stein's unbiased estimate of its error."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optax

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods.noisy import NoisyMethod
from dip_jax.app.recipe.records import check_at_least_0
from dip_jax.base import Algorithm, Generator, Image, Scalar


@dataclass(frozen=True)
class Sure(NoisyMethod):
    """Extended SURE; see :func:`dip_jax.sure`."""

    name = "sure"

    extra_noise: float = 0.5
    """Most noise added to the input at each step, as a multiple of the picture's noise."""

    def check(self) -> None:
        check_at_least_0("extra_noise", self.extra_noise)
        if not self.extra_noise:
            raise UserError("extra_noise", self.extra_noise, "must be above 0")

    @property
    def guard(self) -> dict[str, Any]:
        # The loss comes near 0 and falls below it: its ratio to an earlier one says nothing.
        return {"drop": math.inf}

    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        return dip_jax.sure(generator, optimizer, extra_noise=self.extra_noise, penalty=penalty)
