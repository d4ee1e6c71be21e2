"""A run of the command on many pictures: one after the other, failures told at the end."""

import functools
import sys
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jax
from absl import flags
from tqdm.auto import tqdm

import dip_jax
from dip_jax.app.cluster import find_place
from dip_jax.app.device import Devices, choose_devices
from dip_jax.app.errors import FitError, NotOursError, UserError, printable
from dip_jax.app.job import preset_of
from dip_jax.app.listing import Entry, list_pictures, spare_partners
from dip_jax.app.process import Outcome, process
from dip_jax.app.programs import compilations
from dip_jax.app.results import claimed_folder
from dip_jax.app.resuming import check_ours, check_resumable, common_settings
from dip_jax.app.settings import Preset
from dip_jax.app.sources import check_flags, read_inputs
from dip_jax.app.summary import check_summary, forget_failure, keep_failure, write_summary

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f} of {total} pictures [{elapsed}<{remaining}]"


def run_folder(values: flags.FlagValues) -> int:
    """Does what the flags say with every picture; returns the exit code.

    Raises:
      UserError: for what is wrong with all of them, before anything is written.
    """
    preset = preset_of(values)
    check_flags(values, preset)
    entries = list_pictures(values.image, values.mask, values.reference)
    if preset.task == "inpaint" and values.mask is None and values.missing is None:
        raise UserError("--mask", None, "is needed for --task=inpaint; name a folder of masks")
    _check_apart(values, entries)
    together = values.distributed or values.coordinator is not None
    if together and values.out is None:
        raise UserError("--out", None, "is needed with several processes, the same for all")
    name = Path(values.image).resolve().stem if "*" not in values.image else "pictures"
    with claimed_folder(
        values.out, f"{name}-{preset.task}", overwrite=values.overwrite, resume=values.resume
    ) as folder:
        # Several processes wait for each other in here, before any of them writes.
        place = find_place(values)
        devices = choose_devices(values.backend, values.devices)
        common = common_settings(values, preset)
        if values.resume and not values.overwrite:
            check_summary(folder)
            for entry in entries:
                check_ours(folder / entry.name)
                check_resumable(folder / entry.name, common)
        where = devices.description
        print(f"dip-jax {dip_jax.__version__}: {preset.task}, preset {preset.name}, on {where}")
        print(f"{len(entries)} pictures, to {printable(str(folder))}")
        for note in spare_partners(entries, mask=values.mask, reference=values.reference):
            print(f"dip-jax: note: {note}", file=sys.stderr)
        share = entries[place.index :: place.count]
        if place.count > 1:
            print(f"process {place.index} of {place.count}: {len(share)} of them")
        before = compilations(jax.default_backend())
        run = Run(values, preset, folder, devices)
        run.all_of(share)
        compiled = compilations(jax.default_backend()) - before
        done = len(share) - len(run.failures)
        print(f"{done} of {len(share)} pictures done, with {compiled} programs compiled")
        for failed, problem in run.failures.items():
            print(f"  {printable(failed)}: {problem}", file=sys.stderr)
        # Of all processes' pictures: whichever ends last writes it whole.
        paths = write_summary(folder, [entry.name for entry in entries], common)
    for path in paths:
        print(f"  {printable(str(path))}")
    if run.interrupted:
        return 130
    return 1 if run.failures else 0


def _check_apart(values: flags.FlagValues, entries: list[Entry]) -> None:
    if values.out is None:
        return
    source, out = Path(values.image), Path(values.out).resolve()
    if source.is_dir() and out.is_relative_to(source.resolve()):
        raise UserError("--out", values.out, "lies in the folder of pictures; name one beside it")
    for entry in entries:
        if Path(str(entry.files.image)).resolve().is_relative_to(out):
            problem = f"holds {entry.files.image}, one of the pictures; name another folder"
            raise UserError("--out", values.out, problem)


class Run:
    """Pictures shared out among devices; a thread each, as each fit ends in its own time.

    (In one program for all, those that have ended would wait for the longest.)
    """

    def __init__(self, values: flags.FlagValues, preset: Preset, folder: Path, devices: Devices):
        self.failures: dict[str, str] = {}
        self.interrupted = False
        self._values, self._preset, self._folder = values, preset, folder
        self._devices = devices
        self._lock = threading.Lock()
        self._shares: dict[str, float] = {}

    def all_of(self, entries: list[Entry]) -> None:
        """Restores them; what went wrong is in ``failures``, by name."""
        rest = deque(entries)
        with tqdm(total=len(entries), desc="restoring", bar_format=_BAR) as bar:
            self._bar = bar
            if len(self._devices.each) == 1:
                self._work(rest, self._devices.each[0])
            else:
                self._work_together(rest)
        if self.interrupted:
            for entry in entries:
                if self._shares.get(entry.name, 0) < 1:
                    self.failures[entry.name] = "interrupted; --resume goes on"

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
                    told = self._one(entry)
                except KeyboardInterrupt:
                    self.interrupted = True
                    return
                with self._lock:
                    tqdm.write(f"  {printable(entry.name)}: {told}", file=sys.stderr)
                self._advance(entry, 1.0)

    def _one(self, entry: Entry) -> str:
        """Restores a picture and tells, in words, what became of it."""
        folder = self._folder / entry.name
        started = time.perf_counter()
        try:
            inputs = read_inputs(self._values, self._preset, entry.files)
            folder.mkdir(parents=True, exist_ok=True)
            outcome = process(
                self._values,
                self._preset,
                inputs,
                folder,
                self._devices.description,
                progress=functools.partial(self._progress, entry),
            )
            forget_failure(folder)
        except Exception as error:
            # Whatever is wrong with this one, the others have a right to theirs.
            expected = isinstance(error, (UserError, FitError, OSError)) and str(error)
            problem = printable(str(error) if expected else repr(error))
            self.failures[entry.name] = problem
            if not isinstance(error, NotOursError):
                keep_failure(folder, problem)
            return "failed"
        if outcome.result is not None and outcome.result.interrupted:
            raise KeyboardInterrupt
        return _told(outcome, time.perf_counter() - started)

    def _progress(self, entry: Entry, share: float) -> bool:
        """Takes note of one more share of a picture; tells whether to end."""
        self._advance(entry, min(self._shares.get(entry.name, 0.0) + share, 0.999))
        return self.interrupted

    def _advance(self, entry: Entry, share: float) -> None:
        with self._lock:
            self._shares[entry.name] = share
            # Set, not added to: rounding must not take it past the end.
            self._bar.n = min(sum(self._shares.values()), self._bar.total)
            self._bar.update(0)


def _told(outcome: Outcome, seconds: float) -> str:
    if outcome.result is None:
        return "finished before"
    record = outcome.record
    scores = [f"{float(row['psnr']):.2f}" for row in record["scores"].values()]
    quality = f"{' -> '.join(scores[:2])} dB, " if scores else ""
    return f"{quality}{record['steps']} steps, {seconds:.0f} s"
