"""Pictures restored one after the other on each device; what fails is kept for the end."""

import functools
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jax
from tqdm.auto import tqdm

from dip_jax.app.cli.follow import Follower, emit_end, emit_start
from dip_jax.app.cli.inputs import Inputs, read_inputs
from dip_jax.app.cli.listing import Entry
from dip_jax.app.cli.picture import Outcome, restore_file, restore_to_file
from dip_jax.app.cli.request import Files, Request, as_flag
from dip_jax.app.errors import FitError, NotOursError, UserError, printable
from dip_jax.app.files.carried import clear_carried, read_carried, write_carried
from dip_jax.app.files.checkpoint import Arrays
from dip_jax.app.files.summary import forget_failure, keep_failure
from dip_jax.app.machine import Devices
from dip_jax.app.restore import Restoration, WarmStart

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f} of {total} pictures [{elapsed}<{remaining}]"


class Batch:
    """Pictures shared among devices, with a thread for each device.

    (In one program for all, the fits that have ended would wait for the longest.)
    """

    def __init__(
        self,
        request: Request,
        folder: Path,
        targets: dict[str, Path] | None,
        devices: Devices,
    ):
        self.failures: dict[str, str] = {}
        self.interrupted = False
        self._request, self._folder, self._targets = request, folder, targets
        self._devices = devices
        self._lock = threading.Lock()
        self._shares: dict[str, float] = {}
        self._carried: dict[int, Mapping[int, Arrays]] = {}
        """What the last picture hands on, by number of channels."""

    def restore_all(self, entries: list[Entry]) -> None:
        """Restores them; ``failures`` then holds what went wrong, by name."""
        rest = deque(entries)
        hidden = not self._request.voice.bar
        with tqdm(total=len(entries), desc="restoring", bar_format=_BAR, disable=hidden) as bar:
            self._bar = bar
            if len(self._devices.each) == 1:
                self._work(rest, self._devices.each[0])
            else:
                self._work_together(rest)
        if self.interrupted:
            for entry in entries:
                if self._shares.get(entry.name, 0) < 1:
                    self.failures[entry.name] = "interrupted; --resume continues"
        if self._request.warm_start and self._targets is None and not self.failures:
            clear_carried(self._folder)

    def _work_together(self, rest: deque[Entry]) -> None:
        pool = ThreadPoolExecutor(len(self._devices.each))
        running = {pool.submit(self._work, rest, device) for device in self._devices.each}
        while running:
            try:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for worker in ended:
                    worker.result()
            except KeyboardInterrupt:
                self.interrupted = True  # the threads see it after their next chunk
        pool.shutdown()

    def _work(self, rest: deque[Entry], device: Any) -> None:
        with jax.default_device(device):
            while not self.interrupted:
                try:
                    entry = rest.popleft()
                except IndexError:
                    return
                try:
                    words = self._restore(entry)
                except KeyboardInterrupt:
                    self.interrupted = True
                    return
                if not self._request.voice.quiet:
                    tqdm.write(f"  {printable(entry.name)}: {words}", file=sys.stderr)
                self._advance(entry, 1.0)

    def _restore(self, entry: Entry) -> str:
        """Restores a picture; returns the outcome in words."""
        request, folder = self._request, self._folder / entry.name
        started = time.perf_counter()
        target = None if self._targets is None else self._targets[entry.name]
        if target is not None and target.exists() and not request.overwrite:
            request.voice.emit("skipped", picture=entry.image)
            return "finished before"
        try:
            data = request.files.data | entry.partners
            reference = data.pop("reference")
            inputs = read_inputs(request, Files(entry.image, data, reference))
            emit_start(request, inputs, entry.image, self._devices.description)
            outcome = self._restore_inputs(entry, inputs)
        except Exception as error:
            # Whatever is wrong with this picture, the others go on.
            expected = isinstance(error, (UserError, FitError, OSError)) and str(error)
            shown = as_flag(error) if isinstance(error, UserError) else error
            problem = printable(str(shown) if expected else repr(error))
            self.failures[entry.name] = problem
            request.voice.emit("failed", picture=entry.image, problem=problem)
            if not expected:
                request.voice.detail("".join(traceback.format_exception(error)).rstrip())
            if target is None and not isinstance(error, NotOursError):
                keep_failure(folder, problem)
            return "failed"
        if outcome.result is not None and outcome.result.interrupted:
            raise KeyboardInterrupt
        emit_end(request, entry.image, outcome)
        for note in outcome.notes:
            request.voice.note(printable(f"{entry.name}: {note}"))
        return _summarise(outcome, time.perf_counter() - started)

    def _restore_inputs(self, entry: Entry, inputs: Inputs) -> Outcome:
        """Restores and writes a picture, and lets the next one continue from it."""
        channels = inputs.observed.shape[2]
        warm_start = self._request.warm_start and self._carried.get(channels, True)
        try:
            outcome = self._write(entry, inputs, warm_start)
        except UserError as error:
            if error.name != "warm_start":
                raise
            # Of another kind, such as a mask of scattered pixels after one of areas.
            outcome = self._write(entry, inputs, True)
        if self._request.warm_start:
            if outcome.result is None:  # finished before
                carried = read_carried(self._folder, entry.name, channels)
            else:
                carried = outcome.result.carried
            if carried:
                self._carried[channels] = carried
        return outcome

    def _write(self, entry: Entry, inputs: Inputs, warm_start: WarmStart) -> Outcome:
        request, folder = self._request, self._folder / entry.name
        device = self._devices.description
        report = functools.partial(self._progress, entry)
        progress = Follower(request.voice, entry.image, alone=False, report=report)
        if self._targets is not None:
            return restore_to_file(
                request,
                inputs,
                self._targets[entry.name],
                device,
                progress=progress,
                whole=True,
                warm_start=warm_start,
            )
        folder.mkdir(parents=True, exist_ok=True)
        outcome = restore_file(
            request,
            inputs,
            folder,
            device,
            progress=progress,
            warm_start=warm_start,
            keep=functools.partial(self._keep, entry),
        )
        forget_failure(folder)
        return outcome

    def _keep(self, entry: Entry, result: Restoration) -> None:
        """Writes what a picture hands on, for ``--resume``."""
        if not result.carried:
            return
        try:
            write_carried(self._folder, entry.name, result.image.shape[2], result.carried)
        except OSError as error:
            problem = f"{entry.name}: can't be kept for --resume ({error.strerror})"
            self._request.voice.note(printable(problem))

    def _progress(self, entry: Entry, share: float) -> bool:
        """Notes one more share of a picture; returns whether to end."""
        self._advance(entry, min(self._shares.get(entry.name, 0.0) + share, 0.999))
        return self.interrupted

    def _advance(self, entry: Entry, share: float) -> None:
        with self._lock:
            self._shares[entry.name] = share
            # Set, not added to: rounding must not take it past the end.
            self._bar.n = min(sum(self._shares.values()), self._bar.total)
            self._bar.update(0)


def _summarise(outcome: Outcome, seconds: float) -> str:
    if outcome.result is None:
        return "finished before"
    record = outcome.record
    scores = [f"{float(row['psnr']):.2f}" for row in record["scores"].values()]
    quality = f"{' -> '.join(scores[:2])} dB, " if scores else ""
    return f"{quality}{record['steps']} steps, {seconds:.0f} s"
