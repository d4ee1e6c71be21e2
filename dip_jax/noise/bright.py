"""The noise of a picture's few bright pixels, where no smooth block is as bright.

A micrograph of bright cells on a dark ground has hardly any smooth block but of the ground. What
the noise is at the cells can't be inferred from there: black may be offset, and photons' noise at
ten times the brightness is ten times as strong.
"""

import itertools
from typing import NamedTuple

import numpy as np

_BEYOND = 1.5  # times the brightness of the brightest blocks
_WIDTH = 1.4  # ratio of the brightnesses of a class
_LEAST = 150  # pixels of a class
_WINDOW = 5  # pixels, for the brightness
_LAPLACIAN = np.outer([1, -2, 1], [1, -2, 1]) / 6  # of white noise, it keeps the variance
_TINY = 1e-12
_MEDIAN = 0.6744897501960817  # of the size of a standard normal


class Bright(NamedTuple):
    """The noise at some brightnesses beyond those of the smooth blocks."""

    brightness: np.ndarray
    """``[k]``, increasing, in [0, 1]; empty if there is nothing so bright."""
    variance: np.ndarray
    """``[k, c]``, in the picture's units squared. Too large where there is texture."""
    share: np.ndarray
    """``[k]``: of the picture's pixels."""


def measure_bright(y: np.ndarray, brightest: float) -> Bright:
    """Measures the noise of the pixels that are much brighter than the smooth blocks.

    By differences of neighbours, of those pixels around which the means of 5x5 pixels change least:
    of white noise, the two have nothing in common. Pixels of which a channel is 0 or 1 do not
    count, since noise may have been cut off there.

    Args:
      y: float ``[h, w, c]`` in [0, 1], with white noise.
      brightest: the brightness of the brightest blocks.

    Source: the difference is Immerkaer's, Fast noise variance estimation, CVIU 1996.
    """
    from scipy.ndimage import convolve, uniform_filter

    y = np.asarray(y, np.float64)
    smooth = uniform_filter(y, (_WINDOW, _WINDOW, 1)).mean(axis=2)
    channels = y.shape[2]
    nothing = Bright(np.empty(0), np.empty((0, channels)), np.empty(0))
    first, last = _BEYOND * brightest, float(smooth.max())
    if not 0 < first < last:
        return nothing
    change = np.hypot(*np.gradient(smooth))
    fine = np.abs(convolve(y, _LAPLACIAN[:, :, None]))
    whole = (y > 0).all(axis=2) & (y < 1).all(axis=2)
    edges = first * _WIDTH ** np.arange(1 + int(np.ceil(np.log(last / first) / np.log(_WIDTH))))
    found = []
    for low, high in itertools.pairwise(edges):
        pixels = (smooth >= low) & (smooth < high)
        used = pixels & whole
        if used.sum() < _LEAST:
            continue
        used &= change <= np.median(change[used])
        variance = (np.median(fine[used], axis=0) / _MEDIAN) ** 2
        if variance.min() > _TINY:  # letters and the like have none
            found.append((smooth[used].mean(), variance, pixels.mean()))
    if not found:
        return nothing
    brightness, variance, share = (np.array(part) for part in zip(*found, strict=True))
    return Bright(brightness, variance, share)


def join_bright(
    brightness: np.ndarray, variance: np.ndarray, bright: Bright
) -> tuple[np.ndarray, np.ndarray]:
    """Returns brightness ``[k]`` and variance ``[k, c]`` of the blocks' classes and beyond.

    What is measured of single pixels takes the place of the classes that are as bright: these
    hold few blocks, and those not smooth.
    """
    if not len(bright.brightness):
        return brightness, variance
    kept = brightness < bright.brightness[0]
    return (
        np.concatenate([brightness[kept], bright.brightness]),
        np.concatenate([variance[kept], bright.variance]),
    )
