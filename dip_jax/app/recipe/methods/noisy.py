"""The base class of methods that are fed the noisy picture and know its noise."""

from collections.abc import Callable
from dataclasses import dataclass

from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.rules import Split
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Array, Key
from dip_jax.methods import NoisyInput


@dataclass(frozen=True)
class NoisyMethod(Method):
    """The generator is a denoiser: it is fed the noisy picture, with more noise added."""

    feeds_picture = True
    feeds_noise = True

    def suits(self, task: TaskSpec) -> bool:
        return task.measures_pixels and task.takes_noise

    def make_input(
        self, split: Split, picture: Callable[[], Array], size: tuple[int, int], key: Key
    ) -> NoisyInput:
        del size, key
        assert split.sigma is not None
        return NoisyInput(picture(), split.sigma, split.clipped, split.transfer)
