"""The range of values that a picture fills: the fit works in it, not in a corner of [0, 1].

``app/files/scale.py`` is about the numbers in a file: it sets what is black and white, by which
noise levels count. A span leaves that, the levels and the scores as they are: it is the fit's own.
"""

from typing import NamedTuple

import numpy as np

_NARROW = 0.125  # of [0, 1]: what fills less is fitted in its own range
_LEAST = 1e-6


class Span(NamedTuple):
    """The values that the fit knows as 0 and 1."""

    low: float = 0.0
    high: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether it is [0, 1], where nothing is changed."""
        return self == Span()

    def enter(self, image: np.ndarray) -> np.ndarray:
        """Returns the image with the span stretched to [0, 1]."""
        return image if self.whole else (image - np.float32(self.low)) / np.float32(self._size)

    def leave(self, image: np.ndarray) -> np.ndarray:
        """Returns the image with [0, 1] put back to the span."""
        return image if self.whole else image * np.float32(self._size) + np.float32(self.low)

    def leave_differences(self, values: np.ndarray) -> np.ndarray:
        """Returns differences of values, such as standard deviations, put back to the span."""
        return values if self.whole else values * np.float32(self._size)

    def psnr_offset(self) -> float:
        """Returns the dB to add to a PSNR within the span, for a peak of 1."""
        return float(-20 * np.log10(self._size))

    @property
    def _size(self) -> float:
        return self.high - self.low


def find_span(y: np.ndarray, *, from_black: bool = False) -> Span:
    """Returns the span of a picture in [0, 1]: all, unless it fills less than an eighth.

    Examples are counts of a 12-bit camera divided by 65535. Black stays black, so that noise goes
    on depending on the brightness, unless all the picture is far from it.

    Args:
      y: float ``[h, w, c]`` in [0, 1].
      from_black: whether black stays black even then.
    """
    least, most = float(y.min()), float(y.max())
    low = 0.0 if from_black or least < most / 2 else least
    if most - low > _NARROW or most - low < _LEAST:
        return Span()
    return Span(low, most)
