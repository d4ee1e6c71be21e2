"""The generator predicts known pixels that are hidden from it."""

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax

import dip_jax
from dip_jax import filling
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.methods.plain import Plain
from dip_jax.app.recipe.rules import PATIENCE, Split
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Array, Generator, Image, Key, Scalar
from dip_jax.methods import MaskedInput

LEAST_HIDE = 0.05  # with less, some pixels would never be hidden


@dataclass(frozen=True)
class BlindSpot(Method):
    """Prediction of hidden pixels; see :func:`dip_jax.blind_spot`."""

    name = "blind_spot"
    feeds_picture = True
    hides_pixels = True

    hide: float = 0.2
    """Fraction of the known pixels hidden at each step, at most."""
    fill_first: bool = False
    """Whether the fit begins from interpolated holes; useful without noise."""

    def check(self) -> None:
        if not isinstance(self.hide, numbers.Real) or not LEAST_HIDE <= self.hide <= 1:
            raise UserError("hide", self.hide, f"must be a fraction from {LEAST_HIDE} to 1, or 0")

    @property
    def patience(self) -> dict[str, Any]:
        # Such a fit overfits late, if at all. Its held-out error may stand still for fifty steps
        # before it falls again.
        return {"patience": 1 / 2, "at_least": 200} if self.fill_first else PATIENCE

    @property
    def guard(self) -> dict[str, Any]:
        return {"smoothing": 0.95}  # few pixels make up a step's loss

    def remarks(self) -> tuple[str, ...]:
        share = f"up to {100 * self.hide:g} %"
        return (f"learned by hiding known pixels, {share} at each step; --hide sets it",)

    def suits(self, task: TaskSpec) -> bool:
        return task.measures_pixels and task.independent_pixels

    def make_input(
        self, split: Split, picture: Callable[[], Array], size: tuple[int, int], key: Key
    ) -> MaskedInput:
        del size, key
        return MaskedInput(picture(), split.known)

    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        guess = filling.interpolate if self.fill_first else None
        return dip_jax.blind_spot(
            generator, optimizer, hide=self.hide, guess=guess, penalty=penalty
        )


@dataclass(frozen=True)
class ByHoles(Method):
    """A method for scattered single pixels, one for areas such as writing, one for wide holes."""

    name = "by_holes"

    scattered: Method
    areas: Method
    wide: Method

    def suits(self, task: TaskSpec) -> bool:
        methods = (self.scattered, self.areas, self.wide)
        return task.has_holes and all(method.suits(task) for method in methods)

    def resolve(self, known: np.ndarray | None, sigma: float | None) -> Method:
        if known is None or not filling.are_scattered(known):
            wide = known is not None and bool(filling.far_inside(known).any())
            return (self.wide if wide else self.areas).resolve(known, sigma)
        fed = self.scattered.feeds_picture
        if fed and isinstance(self.areas, Plain) and self.areas.input != Plain.input:
            problem = "has no meaning where the network is fed the picture; drop it, or take hide=0"
            raise UserError("input", self.areas.input, problem)
        return self.scattered.resolve(known, sigma)

    def make_input(self, *_: Any) -> Any:
        raise TypeError("resolve the method first")

    def build(self, *_: Any) -> Any:
        raise TypeError("resolve the method first")
