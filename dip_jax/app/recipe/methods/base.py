"""The base class of methods."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import optax

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import Record
from dip_jax.app.recipe.rules import PATIENCE, Split
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Array, Generator, Image, Key, Scalar
from dip_jax.noise import NoiseModel


@dataclass(frozen=True)
class Method(Record, abc.ABC):
    """How the generator is fitted: its input, its algorithm, and what a divergence looks like."""

    feeds_picture: ClassVar[bool] = False
    """Whether the generator is fed the degraded picture itself."""
    feeds_noise: ClassVar[bool] = False
    """Whether it is fed the whole noisy picture, and so needs the level of its noise."""
    takes_correlated: ClassVar[bool] = False
    """Whether that noise may be correlated between pixels."""
    hides_pixels: ClassVar[bool] = False
    """Whether it predicts known pixels from their neighbours alone."""

    @property
    def patience(self) -> dict[str, Any]:
        """Keyword arguments of :func:`dip_jax.stop`: how long a fit waits for a better step."""
        return PATIENCE

    @property
    def guard(self) -> dict[str, Any]:
        """Keyword arguments of :func:`dip_jax.backtrack`: what counts as a divergence."""
        return {}

    def remarks(self) -> tuple[str, ...]:
        """Returns lines to the user on how the method worked."""
        return ()

    @abc.abstractmethod
    def suits(self, task: TaskSpec) -> bool:
        """Whether it can be used for the task."""

    def resolve(self, known: np.ndarray | None, sigma: float | None) -> "Method":
        """Returns the method for one picture, fully resolved.

        Args:
          known: ``[h, w, 1]``, 1 where the picture is known; None if all is.
          sigma: of Gaussian noise as given, in 8-bit levels; None if it was not.
        """
        del known, sigma
        return self

    def adapt(self, noise: NoiseModel | None) -> "Method":
        """Returns the method for the picture's noise; None if it is not known.

        Raises:
          UserError: if it can't use correlated noise.
        """
        correlated = noise is not None and noise.kernel is not None
        if correlated and self.feeds_noise and not self.takes_correlated:
            problem = f"is correlated between pixels, which {self.name} does not take; use "
            raise UserError("noise", "measured", problem + "preset=fast")
        return self

    @abc.abstractmethod
    def make_input(
        self, split: Split, picture: Callable[[], Array], size: tuple[int, int], key: Key
    ) -> Any:
        """Returns the generator's input, a pytree of arrays.

        Args:
          split: what is fitted.
          picture: returns the degraded picture on the canvas.
          size: height and width of the canvas.
          key: decides a random input.
        """

    @abc.abstractmethod
    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        """Returns the algorithm; ``penalty`` is a loss term on the generator's image."""
