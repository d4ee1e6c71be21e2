"""The level of a picture's noise, estimated from the picture."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dip_jax.noise.model import NoiseModel, smooth

_MEDIAN_OF_NORMAL = 0.6744897501960817  # of the absolute value, at a standard deviation of 1
_ENOUGH = 3000  # coefficients of a channel: their median is known to 2 %
_BRIGHTNESSES = 4  # classes, from each of which the smoother half is taken
_FLAT = 1e-6  # a coefficient without noise, except for rounding
_EDGES = 4.0  # power in the other directions over that of noise; 1 to 3 in most noisy pictures
_TRIES = 30  # to find the level of clipped noise; up to sigma 100 fewer than half are needed
_CLOSE = 1e-3  # relative, of the level


def estimate_noise(y: np.ndarray, kind: str) -> NoiseModel:
    """Returns the noise of ``y``, of a known kind, with its level estimated.

    The level is that at which the finest wavelet coefficients have the median size of Gaussian
    noise (Donoho and Johnstone 1994). Each is divided by the standard deviation at the brightness
    around it, which is smaller where noise was clipped. In large pictures the smoother half
    counts, chosen by the coefficients of the other directions, whose noise is not correlated with
    that of the diagonal ones. Flat areas do not count: they are clipped or drawn, and say nothing
    about the rest. Noise that is correlated between pixels is underestimated, and fine texture
    everywhere counts as noise. From sigma 75 on, clipped noise is overestimated.

    Args:
      y: float ``[h, w, c]`` in [0, 1].
      kind: a name of ``LEVELS``.
    """
    if min(y.shape[:2]) < 2:
        return NoiseModel(kind, 0.0)
    mean = np.asarray(smooth(smooth(y)))
    channels = [_FinestBand.from_channel(y[..., i], mean[..., i]) for i in range(y.shape[2])]
    noise = _fit_level(NoiseModel(kind, 1.0), channels).detect_clipping(y)
    if not noise.clipped:
        return noise
    return _fit_level(noise, channels)._replace(clipped=False)


class _FinestBand(NamedTuple):
    """A channel's finest wavelet coefficients, each ``[rows, columns]``."""

    size: np.ndarray
    """Absolute value of the diagonal ones."""
    others: np.ndarray
    """Power of the horizontal and vertical ones."""
    mean: np.ndarray
    """Mean of the picture around each."""

    @classmethod
    def from_channel(cls, channel: np.ndarray, mean: np.ndarray) -> "_FinestBand":
        """Transforms a channel, given the ``mean`` around each of its pixels."""
        import pywt  # a tenth of a second

        bands = pywt.dwtn(channel, "db2")
        there = pywt.dwtn(mean, "db2")["aa"] / 2
        return cls(np.abs(bands["dd"]), bands["ad"] ** 2 + bands["da"] ** 2, there)


def _fit_level(noise: NoiseModel, channels: Sequence[_FinestBand]) -> NoiseModel:
    """Returns the noise with the mean of the channels' levels; 0 if no channel has one."""
    levels = [level for one in channels if (level := _channel_level(noise, one)) is not None]
    return noise._replace(level=float(np.mean(levels or [0.0])))


def _channel_level(noise: NoiseModel, channel: _FinestBand) -> float | None:
    """Returns a channel's level, searched from that of ``noise``; None for a flat channel."""
    counts = channel.size > _FLAT
    if noise.kind == "poisson":
        counts &= channel.mean > 1 / 255
    if not counts.any():
        return None
    kept = counts & _smoother_half(channel, counts)
    noise = _solve_level(noise, channel, kept)
    # A drawing is mostly flat with sharp edges elsewhere: it has no noise that could be seen.
    power = channel.others / np.square(noise.standard_deviation_at(channel.mean))
    if counts.mean() < 0.5 and np.median(power[kept]) > _EDGES:
        return 0.0
    return float(noise.level)


def _smoother_half(channel: _FinestBand, counts: np.ndarray) -> np.ndarray:
    """Returns the smoother half of what counts, in dark and in bright parts alike."""
    places = np.flatnonzero(counts)
    roughness = np.asarray(smooth(smooth(channel.others[..., None]))).ravel()[places]
    share = max(0.5, min(1.0, _ENOUGH / len(places)))
    kept = np.zeros(counts.size, bool)
    for part in np.array_split(np.argsort(channel.mean.ravel()[places]), _BRIGHTNESSES):
        smoothest = np.argsort(roughness[part])[: math.ceil(share * len(part))]
        kept[places[part[smoothest]]] = True
    return kept.reshape(counts.shape)


def _solve_level(noise: NoiseModel, channel: _FinestBand, counts: np.ndarray) -> NoiseModel:
    """Solves for the level at which the scaled coefficients have Gaussian noise's median."""
    for _ in range(_TRIES):
        sizes = (channel.size / np.asarray(noise.standard_deviation_at(channel.mean)))[counts]
        ratio = np.median(sizes) / _MEDIAN_OF_NORMAL
        # The level of Poisson noise is one of variance.
        level = noise.level * ratio ** (2 if noise.kind == "poisson" else 1)
        noise = noise._replace(level=min(float(level), 255.0))
        if not noise.clipped or abs(ratio - 1) < _CLOSE:
            break
    return noise
