"""What follows a run, and the reports that it gets."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dip_jax.operators import Crop


class Outline(NamedTuple):
    """What a run will do, known before its first step."""

    tile: int
    """The side of its tiles; 0 for the whole picture, or windows around its holes."""
    wanted: int
    """The side that was asked for. ``tile`` differs where memory is short."""
    crops: list[Crop]
    """The tiles or windows."""
    pixels: int
    """Of the picture."""


class Chunk(NamedTuple):
    """The report on a chunk of steps."""

    share: float
    """The share of the whole run that these steps were."""
    done: float
    """The share of the whole run that is done. A stopping rule may end it before 1."""
    fit: int
    """Which fit, from 1 on: the members of each tile."""
    fits: int
    """How many there are."""
    step: int
    """The steps that this fit has taken."""
    steps: int
    """How many it takes, at most."""
    loss: float
    psnr: float | None
    """Of the average so far, in dB; None without a reference."""
    picture: Callable[[], np.ndarray]
    """Makes the picture so far: float32 ``[h, w, c]`` in [0, 1], of the result's size. Parts that
    were not fitted yet are as they were given."""


class Watch:
    """Follows a run: this one shows a bar, or nothing. Override the methods you need.

    Args:
      bar: whether a bar is shown on stderr.
    """

    def __init__(self, *, bar: bool = False):
        self.bar = bar

    def begin(self, outline: Outline) -> None:
        """Is called before the first step."""

    def look(self, chunk: Chunk) -> object:
        """Is called after each chunk; a true result ends the run, as Ctrl-C does."""
        del chunk
        return None


class _ShareWatch(Watch):
    """Passes on each chunk's share of the run."""

    def __init__(self, report: Callable[[float], object]):
        super().__init__()
        self._report = report

    def look(self, chunk: Chunk) -> object:
        return self._report(chunk.share)


Progress = bool | Callable[[float], object] | Watch
"""Whether to show a bar; or a function that gets each chunk's share of the whole run, and ends the
run, like Ctrl-C, by returning a true value; or a watch."""


def as_watch(progress: Progress) -> Watch:
    """Returns the watch that ``progress`` means."""
    if isinstance(progress, Watch):
        return progress
    return _ShareWatch(progress) if callable(progress) else Watch(bar=bool(progress))
