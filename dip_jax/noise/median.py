"""Noise that a camera's curve has bent: its median is right where its mean is not.

On the sensor, noise goes up as often as down. Then a curve compresses bright values, and values
below black are clipped. In the file, the noisy picture's mean is off from the clean one's, by 12
levels in the dark parts of a phone's picture at night. A fit finds the mean. But half of the values
are above the clean one before any rising curve, and so they are after it.
"""

import numpy as np

from dip_jax.base import Array, check_restored
from dip_jax.noise.model import NoiseModel

_CHANCE = 3.5  # over the root of the number of independent values: nearly three standard errors


def match_median(
    y: np.ndarray, restored: np.ndarray, noise: NoiseModel, known: np.ndarray | Array | float = 1.0
) -> np.ndarray:
    """Shifts a restored picture so that the noisy one is as often above it as below.

    Each channel is shifted by a multiple of the noise's standard deviation at each brightness: to
    the median of the differences or to their mean, whichever is brighter. A curve makes the mean
    too dark; of photons the mean is right, and brighter. A shift that may be chance is left out.
    Bright parts may lose a little, since a curve bends their noise less.

    Args:
      y: the noisy picture, float ``[h, w, c]`` in [0, 1].
      restored: an estimate of it, ``[h, w, c]``.
      noise: of ``y``.
      known: ``[h, w, 1]``, 1 where ``y`` was measured.

    Returns:
      ``[h, w, c]``; ``restored`` where nothing is known.

    Raises:
      ValueError: if the shapes differ, or for whole numbers.
    """
    y, restored = np.asarray(y), np.asarray(restored)
    check_restored(y, restored)
    there = np.broadcast_to(np.asarray(known) > 0, (*y.shape[:2], 1))[:, :, 0]
    deviation = np.broadcast_to(noise.standard_deviation_at(restored), y.shape)
    shift = np.zeros(y.shape[2], restored.dtype)
    for channel in range(y.shape[2]):
        size = deviation[there, channel]
        if not size.any():
            continue
        change = (y - restored)[there, channel]
        found = max(
            _find_median(change / np.maximum(size, np.finfo(size.dtype).tiny), size),
            float(np.sum(change * size) / np.sum(size**2)),
        )
        if abs(found) > _CHANCE * (_reach(noise, channel) / len(size)) ** 0.5:
            shift[channel] = found
    return np.where(there[:, :, None], restored + shift * deviation, restored)


def _reach(noise: NoiseModel, channel: int) -> float:
    """Returns how many values share their noise, in effect: the sum of its autocorrelation."""
    if noise.kernel is None:
        return 1.0
    kernel = np.asarray(noise.kernel, np.float64)[:, :, channel]
    return max(1.0, float((kernel.sum(axis=(0, 1)) ** 2).sum() / (kernel**2).sum()))


def _find_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Returns the value below which half of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
