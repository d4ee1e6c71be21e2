"""Wrappers: functions from Algorithm to Algorithm.

They compose from the inside out: ``measured(average(dip(...)))`` reports metrics of the average,
and ``backtrack(average(dip(...)))`` restores the average together with the parameters.
:func:`langevin`, the companion of :func:`posterior`, is part of an optimiser.
"""

from dip_jax.wrappers.average import AverageState, average
from dip_jax.wrappers.backtrack import BacktrackState, backtrack
from dip_jax.wrappers.ensemble import EnsembleState, ensemble, sharded
from dip_jax.wrappers.langevin import LangevinState, PosteriorState, langevin, posterior
from dip_jax.wrappers.measured import measured
from dip_jax.wrappers.stop import StopState, stop, until
from dip_jax.wrappers.validated import validated
from dip_jax.wrappers.variance import (
    MovingVarianceState,
    WindowedVarianceState,
    moving_variance,
    windowed_variance,
)

__all__ = [
    "AverageState",
    "BacktrackState",
    "EnsembleState",
    "LangevinState",
    "MovingVarianceState",
    "PosteriorState",
    "StopState",
    "WindowedVarianceState",
    "average",
    "backtrack",
    "ensemble",
    "langevin",
    "measured",
    "moving_variance",
    "posterior",
    "sharded",
    "stop",
    "until",
    "validated",
    "windowed_variance",
]
