"""Deep Image Prior as published: a fixed input, fitted to the data."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import optax

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.records import check_at_least_0, check_integer, suggest
from dip_jax.app.recipe.rules import Split
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Array, Generator, Image, Key, Scalar

INPUTS = ("noise", "meshgrid", "image")
_STRONG = 50  # 8-bit levels of sigma, from which ``jitter_strong`` holds


@dataclass(frozen=True)
class Plain(Method):
    """The paper's method; see :func:`dip_jax.dip`."""

    name = "plain"

    input: str = "noise"
    """What the network is fed, one of ``INPUTS``."""
    depth: int = 32
    """Channels of an input of noise."""
    jitter: float = 0.03
    """Standard deviation of the noise added to the input at each step."""
    jitter_strong: float | None = None
    """Replaces ``jitter`` for noise of sigma 50 or more."""

    def check(self) -> None:
        if self.input not in INPUTS:
            raise UserError("input", self.input, "is unknown; " + suggest(str(self.input), INPUTS))
        check_integer("depth", self.depth, 1, 10**6)
        check_at_least_0("jitter", self.jitter)

    def suits(self, task: TaskSpec) -> bool:
        del task
        return True

    def resolve(self, known: object, sigma: float | None) -> "Plain":
        del known
        if self.jitter_strong is not None and (sigma or 0) >= _STRONG:
            return self.replace(jitter=self.jitter_strong, jitter_strong=None)
        return self.replace(jitter_strong=None)

    def make_input(
        self, split: Split, picture: Callable[[], Array], size: tuple[int, int], key: Key
    ) -> jax.Array:
        del split
        if self.input == "meshgrid":
            return dip_jax.inputs.meshgrid(*size)
        if self.input == "noise":
            return dip_jax.inputs.uniform(key, *size, self.depth)
        return picture()

    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        del penalty  # the task has it: here the loss sees the generator's own image
        return dip_jax.dip(generator, optimizer, jitter=self.jitter)
