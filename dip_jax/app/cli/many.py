"""A run of the command on many pictures: one after the other, failures reported at the end."""

import contextlib
import functools
import os
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

import dip_jax
from dip_jax.app.cli.follow import Follower, tell_end, tell_start
from dip_jax.app.cli.inputs import Inputs, read_inputs
from dip_jax.app.cli.listing import Entry, list_pictures, note_skipped, note_spare_partners
from dip_jax.app.cli.picture import Outcome, common_settings, restore_file, restore_to_file
from dip_jax.app.cli.request import Files, Request, as_flag
from dip_jax.app.cli.target import find_targets, names_file
from dip_jax.app.errors import FitError, NotOursError, UserError, printable
from dip_jax.app.files import read_picture
from dip_jax.app.files.carried import clear_carried, read_carried, write_carried
from dip_jax.app.files.checkpoint import Arrays
from dip_jax.app.files.records import check_ours, check_resumable
from dip_jax.app.files.results import claim_folder
from dip_jax.app.files.summary import check_summary, forget_failure, keep_failure, write_summary
from dip_jax.app.machine import Devices, choose_devices, compilations, find_place
from dip_jax.app.recipe import Data
from dip_jax.app.restore import Restoration, WarmStart

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f} of {total} pictures [{elapsed}<{remaining}]"


def run_many(request: Request) -> int:
    """Restores every picture of a request; returns the exit code.

    Raises:
      UserError: for a mistake that concerns all of them, before anything is written.
    """
    image = str(request.files.image)
    if names_file(request.out):
        raise UserError("out", request.out, "is one file, for many pictures; name a folder")
    if request.preview is not None:
        raise UserError("preview", request.preview, "is for one picture; name one")
    given = _partners(request)
    entries = list_pictures(image, given, recursive=request.recursive)
    _check_data(request, entries)
    _check_apart(request, entries)
    targets = find_targets(request, entries)
    if targets is not None:
        entries = [entry for entry in entries if entry.name in targets]
    _check_warm_start(request)
    if request.cluster.expected and request.out is None:
        raise UserError("out", None, "is needed with several processes, the same for all")
    task, preset = request.task.name, request.preset.name
    with _claim(request, targets) as folder:
        # Several processes wait for each other in here, before any of them writes.
        place = find_place(request.cluster)
        devices = choose_devices(request.backend, 1 if request.warm_start else request.devices)
        common = common_settings(request)
        if targets is None and request.resume and not request.overwrite:
            check_summary(folder)
            for entry in entries:
                check_ours(folder / entry.name)
                check_resumable(folder / entry.name, common)
        say = request.voice.say
        say(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {devices.description}")
        say(f"{len(entries)} pictures, to {printable(str(folder))}")
        for note in [
            *note_skipped(image, recursive=request.recursive),
            *note_spare_partners(entries, given, recursive=request.recursive),
        ]:
            request.voice.note(printable(note))
        share = entries[place.index :: place.count]
        if place.count > 1:
            say(f"process {place.index} of {place.count}: {len(share)} of them")
        before = compilations(jax.default_backend())
        run = Run(request, folder, targets, devices)
        run.restore_all(share)
        compiled = compilations(jax.default_backend()) - before
        done = len(share) - len(run.failures)
        say(f"{done} of {len(share)} pictures done, with {compiled} programs compiled")
        for failed, problem in run.failures.items():
            print(f"  {printable(failed)}: {problem}", file=sys.stderr)
        paths: list[Path] = []
        if targets is None:  # for all processes' pictures: whichever ends last writes it whole
            paths = write_summary(folder, [entry.name for entry in entries], common)
    for path in paths:
        request.voice.say(f"  {printable(str(path))}")
    if run.interrupted:
        return 130
    return 1 if run.failures else 0


def _claim(
    request: Request, targets: dict[str, Path] | None
) -> contextlib.AbstractContextManager[Path]:
    """Returns a context that creates and checks the folder of all results."""
    image = str(request.files.image)
    name = Path(image).resolve().stem if "*" not in image else "pictures"
    if targets is None:
        return claim_folder(
            request.out,
            f"{name}-{request.task.name}",
            overwrite=request.overwrite,
            resume=request.resume,
        )
    # Existing files were checked by ``find_targets``.
    common = os.path.commonpath([path.parent.absolute() for path in targets.values()])
    folder = request.out or os.path.relpath(common)
    return claim_folder(folder, "", overwrite=True, resume=False)


def _partners(request: Request) -> dict[str, str | None]:
    """Returns the flags that may name a folder with a file for each picture."""
    data = {
        each.name: request.files.data[each.name] for each in request.task.data if each.per_pixel
    }
    return data | {"reference": request.files.reference}


def _check_data(request: Request, entries: list[Entry]) -> None:
    """Raises a UserError if the task's data are missing, and no demonstration makes them."""
    for data in request.task.data:
        if request.files.data[data.name] is None and not request.task.makes_data(request.options):
            _check_pictures(request, entries, data)


def _check_pictures(request: Request, entries: list[Entry], data: Data) -> None:
    """Raises a UserError if no picture, with these flags, gives an array of the task.

    Mistakes that concern some pictures only are reported when it is their turn.
    """
    problem = f"is needed for --task={request.task.name}; {data.hint}"
    missing = UserError(data.name, None, problem)
    errors = []
    for entry in entries if data.in_picture else []:
        try:
            picture = read_picture(entry.image, page=request.page, scale=request.scale)
            if data.read(None, picture, request.options)[0] is not None:
                return
            errors.append(missing)
        except UserError as error:
            errors.append(error)
    raise missing if missing in errors or not errors else errors[0]


def _check_apart(request: Request, entries: list[Entry]) -> None:
    """Raises a UserError if results would lie among the pictures."""
    if request.out is None:
        return
    source, out = Path(str(request.files.image)), Path(request.out).resolve()
    if source.is_dir() and out.is_relative_to(source.resolve()):
        raise UserError("out", request.out, "lies in the folder of pictures; name one beside it")
    for entry in entries:
        if Path(entry.image).resolve().is_relative_to(out):
            problem = f"holds {entry.image}, one of the pictures; name another folder"
            raise UserError("out", request.out, problem)


def _check_warm_start(request: Request) -> None:
    """Raises a UserError if pictures can't continue from each other."""
    if not request.warm_start:
        return
    if request.cluster.expected or request.devices not in (None, 1):
        problem = "needs one process and one device, since each picture waits for the one before"
        raise UserError("warm_start", True, f"{problem}; drop one of the flags")
    if not request.preset.counts.later_steps:
        problem = "needs --later_steps above 0, which these settings lack; add --later_steps=100"
        raise UserError("warm_start", True, problem)


class Run:
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
            request.voice.tell("skipped", picture=entry.image)
            return "finished before"
        try:
            data = request.files.data | entry.partners
            reference = data.pop("reference")
            inputs = read_inputs(request, Files(entry.image, data, reference))
            tell_start(request, inputs, entry.image, self._devices.description)
            outcome = self._restore_inputs(entry, inputs)
        except Exception as error:
            # Whatever is wrong with this picture, the others go on.
            expected = isinstance(error, (UserError, FitError, OSError)) and str(error)
            shown = as_flag(error) if isinstance(error, UserError) else error
            problem = printable(str(shown) if expected else repr(error))
            self.failures[entry.name] = problem
            request.voice.tell("failed", picture=entry.image, problem=problem)
            if not expected:
                request.voice.detail("".join(traceback.format_exception(error)).rstrip())
            if target is None and not isinstance(error, NotOursError):
                keep_failure(folder, problem)
            return "failed"
        if outcome.result is not None and outcome.result.interrupted:
            raise KeyboardInterrupt
        tell_end(request, entry.image, outcome)
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
