"""Reports the progress of a picture's run, and how long it will take."""

import math
import time
from collections.abc import Callable

import jax

from dip_jax.app.cli.inputs import Inputs
from dip_jax.app.cli.picture import Outcome
from dip_jax.app.cli.request import Request
from dip_jax.app.cli.voice import SCHEMA, Voice
from dip_jax.app.errors import printable
from dip_jax.app.files.snapshot import Snapshot
from dip_jax.app.machine import used_bytes
from dip_jax.app.restore import Chunk, Outline, Watch
from dip_jax.tiling import cut_picture

_WORTH_TELLING = 5  # seconds
# What the preset ``fast`` takes on two cores (docs/large_pictures.md).
_SECONDS = 4e-6  # a pixel of the result and a step
_FINISH = 5  # steps that joining and refining the result are worth
_BYTES, _BYTES_OF_PROCESS = 2000, 1e9  # a pixel of the result
_BYTES_OF_PICTURE = 100  # a pixel, besides the fits
_LARGE = 500_000  # pixels of the result: from here on the time is announced


class Follower(Watch):
    """Reports the progress of a picture's run.

    Args:
      voice: how to print.
      picture: its name in messages.
      alone: whether it is the only one, so that a bar and an estimate are shown.
      report: called with each chunk's share of the run; a true result ends the run.
      snapshot: where the picture so far is shown.
    """

    def __init__(
        self,
        voice: Voice,
        picture: str,
        *,
        alone: bool = True,
        report: Callable[[float], object] = lambda share: None,
        snapshot: Snapshot | None = None,
    ):
        super().__init__(bar=alone and voice.bar)
        self._snapshot = snapshot
        self._voice, self._picture, self._alone, self._report = voice, picture, alone, report
        self._first: tuple[float, float] | None = None
        self._told = not alone

    def begin(self, outline: Outline) -> None:
        """Says which tiles are taken, if the memory is short; and if only windows are fitted."""
        which = "" if self._alone else f"{self._picture}: "
        count, fitted = len(outline.crops), sum(crop.height * crop.width for crop in outline.crops)
        if outline.tile != outline.wanted:
            self._voice.say(
                f"{which}too large for the free memory: restored in {count} tiles "
                f"(--tile={outline.tile}), with blended seams"
            )
        elif outline.tile and count > 1:
            self._voice.say(f"{which}restored in {count} tiles, with blended seams")
        elif not outline.tile and fitted < outline.pixels:
            self._voice.say(
                f"{which}fitted around the holes only: {count} window{'s' * (count > 1)}, "
                f"{100 * fitted / outline.pixels:.2g} % of the picture; the rest stays as it is"
            )

    def look(self, chunk: Chunk) -> object:
        """Reports progress; once, after the first measured chunk, also the time left."""
        if self._snapshot is not None:
            self._snapshot.offer(chunk.picture)
        left = self._seconds_left(chunk.done)
        if left is not None and not self._told:
            self._told = True
            if left >= _WORTH_TELLING:
                self._voice.say(
                    f"about {in_words(left)} to go, or less; {used_bytes() / 1e9:.1f} GB of memory"
                )
        self._voice.emit(
            "step",
            picture=self._picture,
            fit=chunk.fit,
            fits=chunk.fits,
            step=chunk.step,
            steps=chunk.steps,
            percent=round(100 * chunk.done, 2),
            loss=chunk.loss if math.isfinite(chunk.loss) else None,
            psnr=chunk.psnr if chunk.psnr is not None and math.isfinite(chunk.psnr) else None,
            seconds_left=None if left is None else round(left, 1),
        )
        return self._report(chunk.share)

    def _seconds_left(self, done: float) -> float | None:
        """Returns the seconds that the rest takes at most; None before steps were measured.

        The first step does not count, since it compiles.
        """
        now = time.perf_counter()
        if self._first is None or done <= self._first[1]:
            self._first = self._first or (now, done)
            return None
        began, before = self._first
        return (now - began) / (done - before) * (1 - done)


def emit_start(request: Request, inputs: Inputs, picture: str, device: str) -> None:
    """Writes the event that begins a picture's run."""
    height, width, channels = inputs.observed.shape
    request.voice.emit(
        "start",
        schema=SCHEMA,
        picture=picture,
        task=request.task.name,
        preset=request.preset.name,
        width=width,
        height=height,
        channels=channels,
        device=device,
        steps=request.preset.counts.steps,
        members=request.preset.counts.members,
    )


def emit_end(request: Request, picture: str, outcome: Outcome) -> None:
    """Writes the event that ends a picture's run."""
    record, files = outcome.record, [printable(str(path)) for path in outcome.paths]
    if outcome.result is None:
        request.voice.emit("skipped", picture=picture)
        return
    request.voice.emit(
        "done",
        picture=picture,
        files=files,
        steps=record["steps"],
        seconds=round(sum(record["seconds"].values()), 1),
        interrupted=record["interrupted"],
        verdict=record["picture"]["verdict"],
        scores=record["scores"],
    )


def expected(request: Request, inputs: Inputs) -> str | None:
    """Returns a guess of time and memory for a large picture on a CPU; None for others.

    It is known before the first step, which alone may take minutes.
    """
    height, width, _ = inputs.observed.shape
    task, counts = request.task, request.preset.counts
    if height * width * task.factor**2 < _LARGE or jax.default_backend() != "cpu":
        return None
    exact = task.exact(inputs.data)
    if exact is not None and inputs.part is not None:
        exact = inputs.part(exact)
    counts = counts.resolve(height * width, tiles=task.tiles)
    crops = cut_picture(height, width, counts.tile or 0, exact)
    sizes = [crop.height * crop.width * task.factor**2 for crop in crops]
    pixels = sum(sizes)
    if pixels < _LARGE:
        return None  # around holes: minutes
    steps = sizes[0] * counts.steps + sum(sizes[1:]) * (counts.later_steps or counts.steps)
    steps += _FINISH * pixels
    memory = max(sizes) * _BYTES + height * width * _BYTES_OF_PICTURE + _BYTES_OF_PROCESS
    where = " around the holes" * (exact is not None and pixels < height * width)
    seconds, memory = steps * counts.members * _SECONDS, memory / 1e9
    pixels = pixels if exact is not None else height * width * task.factor**2
    return (
        f"{pixels / 1e6:.1f} megapixels{where}: expect {in_words(seconds)} and {memory:.0f} GB "
        "with --preset=fast on two cores, more with others; --preview=center shows the middle first"
    )


def in_words(seconds: float) -> str:
    """Returns a time in words, as precise as an estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
