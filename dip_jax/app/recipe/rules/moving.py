"""Stop when the outputs start to move again."""

from dataclasses import dataclass
from typing import Any, ClassVar

import dip_jax
from dip_jax.app.recipe.rules.base import PATIENCE, Rule, output_variance
from dip_jax.base import Algorithm

_WINDOW = 100  # images; one outlier has an effect for as long
_WARM_UP = 100  # first steps, in which outputs hardly move yet


@dataclass(frozen=True)
class MovingVariance(Rule):
    """ES-EMV: by an exponential variance of the outputs; all tasks and presets, less reliable."""

    name = "emv"
    summary = "when outputs start to move, by an exponential variance"

    _patience: ClassVar[dict[str, Any]] = PATIENCE

    def watch(self, algorithm: Algorithm) -> Algorithm:
        return dip_jax.moving_variance(algorithm)

    def stop(self, algorithm: Algorithm, patience: dict[str, Any]) -> Algorithm:
        del patience  # the variance shows a rise sooner than a validation error
        return dip_jax.stop(
            algorithm, output_variance, start=_WARM_UP, smoothing=0.0, **self._patience
        )


@dataclass(frozen=True)
class WindowedVariance(MovingVariance):
    """ES-WMV: by the variance over a window of outputs."""

    name = "wmv"
    summary = "when outputs start to move, by the variance in a window"

    _patience = PATIENCE | {"at_least": 2 * _WINDOW}

    def watch(self, algorithm: Algorithm) -> Algorithm:
        return dip_jax.windowed_variance(algorithm, _WINDOW)
