"""Wrappers: functions from Algorithm to Algorithm.

They compose from the inside out: ``measured(average(dip(...)))`` reports on the average, and
``backtrack(average(dip(...)))`` restores the average together with the parameters.
"""

from dip_jax.wrappers.average import AverageState, average
from dip_jax.wrappers.backtrack import BacktrackState, backtrack
from dip_jax.wrappers.best import BestState, best
from dip_jax.wrappers.measured import measured

__all__ = [
    "AverageState",
    "BacktrackState",
    "BestState",
    "average",
    "backtrack",
    "best",
    "measured",
]
