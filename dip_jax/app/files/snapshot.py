"""A picture of a fit under way: a PNG that is replaced as the fit goes on."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dip_jax.app.errors import printable
from dip_jax.app.files.pictures import shown_channels, write_pixels
from dip_jax.metrics import to_uint8

_SECONDS = 1.0  # between two, at least
_SHARE = 0.05  # of the time, at most
_SIDE = 2048  # pixels; larger pictures are shown smaller


class Snapshot:
    """Shows the picture so far in a file, not so often that it slows the fit down.

    Args:
      path: a PNG, whose folder exists; it is replaced whole.
      note: called with a line, once, if the file can't be written. The run goes on without it.
    """

    def __init__(self, path: Path, note: Callable[[str], object]):
        self._path, self._note = path, note
        self._due = -math.inf

    def offer(self, make: Callable[[], np.ndarray]) -> None:
        """Writes ``make()``, float ``[h, w, c]`` in [0, 1], if it is time to."""
        began = time.monotonic()
        if began < self._due:
            return
        try:
            write_pixels(self._path, to_uint8(_shrink(shown_channels(make()))))
        except OSError as error:  # such as a full disk: no reason to lose the run
            self._due = math.inf
            path, reason = printable(str(self._path)), error.strerror or error
            self._note(f"--snapshot={path} can't be written ({reason}); the run goes on without")
            return
        ended = time.monotonic()
        self._due = ended + max(_SECONDS, (ended - began) / _SHARE)


def _shrink(image: np.ndarray) -> np.ndarray:
    """Returns the image with at most ``_SIDE`` pixels a side, each the mean of a square."""
    factor = -(-max(image.shape[:2]) // _SIDE)
    height, width = (max(1, length // factor) for length in image.shape[:2])
    if factor == 1 or min(image.shape[:2]) < factor:
        return image
    cut = image[: height * factor, : width * factor]
    return cut.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))
