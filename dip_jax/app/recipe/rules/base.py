"""The base class of stopping rules, and how data are set aside for them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import dip_jax
from dip_jax.app.recipe.records import Record
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Algorithm, Array, Info, Key, Scalar, Task
from dip_jax.compilation import jit
from dip_jax.noise import NoiseModel, where_model_holds

# A sixth of the steps at most is taken past the best one, but 50 in any case.
PATIENCE: dict[str, Any] = {"patience": 1 / 6, "at_least": 50}
_LEAST_WEIGHT = 1e-12  # nothing was set aside: no score, rather than NaN
LEAST_NOISE = 0.1  # 8-bit levels of sigma at white; less than a file's own rounding


class Measurement(NamedTuple):
    """A picture as measured, on its canvas."""

    y: Any
    """``[h, w, c]``."""
    known: Any
    """``[h, w, 1]``: 1 where ``y`` was measured."""
    mirror: Any
    """int32 ``[h, w]``: the pixel that each one repeats, counted by rows; its own number except
    in margins."""


class Division(NamedTuple):
    """A measurement divided into what is fitted and what it is compared with."""

    y: Array
    """What is fitted."""
    known: Array
    """1 where that counts."""
    noise: NoiseModel | None
    """The noise of ``y``, except for ``more``."""
    more: float
    """Factor by which the standard deviation of that noise is larger."""
    other: Array
    """What is compared with."""
    weight: Array
    """How much each of its values counts, broadcasts to its shape."""


class Split(NamedTuple):
    """What is fitted, what is known of its noise, and what validates."""

    y: Array
    known: Array
    """1 where ``y`` counts, 0 elsewhere."""
    sigma: Array | None
    """Standard deviation of the noise of ``y``, of its shape and in its units, if known. If the
    generator is fed the noisy picture, the one before clipping."""
    clipped: Array | None
    """Where ``y`` was clipped, if known; see :func:`dip_jax.noise.clipped_chance`."""
    other: Array
    """As in :class:`Division`."""
    weight: Array
    """As in :class:`Division`."""
    transfer: Array | None = None
    """Of the filter that correlates the noise, on the canvas; None for white noise."""


MakeTask = Callable[[Array, Array], Task]
"""``(data, weights of their values) -> the task of fitting them``."""


@dataclass(frozen=True)
class Rule(Record):
    """When to stop: the data set aside, the score of a step, the end."""

    summary: ClassVar[str] = ""
    """For ``--help``."""
    needs_noise: ClassVar[bool] = False
    """Whether it needs the level of the noise."""
    needs_independence: ClassVar[bool] = False
    """Whether correlated noise deceives it."""
    least_pixels: ClassVar[int] = 0
    """Least number of known pixels."""

    def suits(self, task: TaskSpec, *, feeds_picture: bool) -> bool:
        """Whether it can be used; ``feeds_picture`` is the method's."""
        del feeds_picture
        return task.takes_noise or not self.needs_noise

    def resolve(
        self, task: TaskSpec, y: np.ndarray, noise: NoiseModel | None, *, hides_pixels: bool
    ) -> "Rule":
        """Returns the rule for one picture on its canvas; ``hides_pixels`` is the method's."""
        del task, y, noise, hides_pixels
        return self

    def divide(
        self, key: Key, data: Measurement, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Division:
        """Divides a measurement; this is traced by jax.

        Args:
          key: decides what is set aside.
          data: the measurement.
          noise: of the picture, if known.
          feeds_noise: whether the generator is fed the whole noisy picture.
        """
        del key, feeds_noise
        return Division(data.y, data.known, noise, 1.0, data.y, where_comparable(data, noise))

    def validate(
        self, split: Split, make: MakeTask, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Task | None:
        """Returns the task whose loss is the validation error; None if there is none."""
        del split, make, noise, feeds_noise
        return None

    def watch(self, algorithm: Algorithm) -> Algorithm:
        """Wraps the bare fit: adds scores of its single outputs."""
        return algorithm

    def stop(self, algorithm: Algorithm, patience: dict[str, Any]) -> Algorithm:
        """Wraps the averaged fit: ends it and keeps the chosen picture."""
        del patience
        return algorithm


@dataclass(frozen=True)
class ValidatedRule(Rule):
    """A rule that compares with the data it has set aside, and keeps the best step."""

    def validate(
        self, split: Split, make: MakeTask, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Task:
        del noise, feeds_noise
        return make(split.other, split.weight)

    def stop(self, algorithm: Algorithm, patience: dict[str, Any]) -> Algorithm:
        return dip_jax.stop(dip_jax.validated(algorithm), validation_error, **patience)


def split(
    rule: Rule, data: Measurement, noise: NoiseModel | None, key: Key, *, feeds_noise: bool
) -> Split:
    """Sets data aside for a resolved rule."""
    kind, level, clipped, deviation, kernel = noise or (None, 0.0, False, None, None)
    return _split(rule, kind, clipped, feeds_noise, data, (level, deviation, kernel), key)


# As one program: so many single operations would take seconds to compile.
@functools.partial(jit, static_argnums=(0, 1, 2, 3))
def _split(
    rule: Rule,
    kind: str | None,
    clipped: bool,
    feeds_noise: bool,
    data: Measurement,
    numbers: tuple[Any, Any, Any],
    key: Array,
) -> Split:
    level, *arrays = numbers
    noise = None if kind is None else NoiseModel(kind, level, clipped, *arrays)
    part = rule.divide(key, data, noise, feeds_noise=feeds_noise)
    # Margins repeat what is fitted, or the network would see there what was set aside.
    y = part.y.reshape(-1, data.y.shape[2])[data.mirror]
    sigma = chance = None
    if part.noise is not None and feeds_noise:
        sigma, chance = part.noise.before_clipping(y)
        sigma = part.more * sigma
    elif part.noise is not None:
        sigma = part.more * part.noise.standard_deviation(y)
    transfer = None if noise is None else noise.transfer(*y.shape[:2])
    return Split(y, part.known, sigma, chance, part.other, part.weight, transfer)


def where_comparable(data: Measurement, noise: NoiseModel | None) -> Array:
    """Returns 1 where a measured value can be compared with, 0 elsewhere."""
    return data.known if noise is None else data.known * where_model_holds(data.y, noise)


def validation_error(info: Info) -> Scalar:
    """The score of rules that set data aside."""
    return info.metrics["validation"]


def output_variance(info: Info) -> Scalar:
    """The score of rules that watch the outputs."""
    return info.metrics["variance"]


def mean_weights(weight: jax.Array) -> jax.Array:
    """Scales weights so that a weighted mean of squares is one over what counts."""
    return weight / jnp.sqrt(jnp.maximum(jnp.mean(weight), _LEAST_WEIGHT))
