"""The queue: one fit at a time, each the ordinary command in a process of its own.

A job has a folder with the picture, the mask, and ``out``, the command's folder of results with its
checkpoints. Pausing sends the command what Ctrl-C would; going on is the same command once more,
with ``--resume``. ``job.json`` says where a job stands, so the queue outlives its server.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dip_jax_studio.problem import Problem
from dip_jax_studio.processes import call, environment
from dip_jax_studio.store import Store, read_record, remove, write_record

PROGRAM = call("dip_jax")
"""The command."""
OUT, SNAPSHOT, MASK = "out", "now.png", "mask.png"
RECORD, EVENTS, LOG = "job.json", "events.jsonl", "log.txt"
WAITING, RUNNING, PAUSED, STOPPED, DONE, FAILED = (
    *("waiting", "running", "paused", "stopped", "done", "failed"),
)
_MOST = 100  # jobs of a browser
_PRIORITY = 10  # of a fit, so that a click is answered while it takes all cores
_SAVING = 60.0  # seconds that a fit may take to save what it has, when the server ends
_NOTING = 10.0  # then, once it is killed, that the queue may take to note it
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_POINTS = 400  # of the curve that the page gets
_LINE = 2**20  # bytes of an event
_NOTE = "dip-jax: note: "
_NO_PICTURE = "no picture to keep yet; going on continues from the last checkpoint, if there is one"
_UNEXPECTED = "the fit ended unexpectedly; its folder's log.txt says more: "


@dataclass
class Job:
    """A fit that was asked for."""

    folder: Path
    owner: str
    name: str
    """Of the picture's file, as the user knows it."""
    given: str
    """Of the picture's file in the folder."""
    damage: str
    flags: list[str]
    """Of the command, besides those that say where files are."""
    box: list[int] | None = None
    """The part that a preview shows."""
    suffix: str = ".png"
    """Of results in the picture's own format."""
    strength: bool = False
    """Whether a part of the change can be applied."""
    factor: int = 1
    """By which the result is larger than the picture."""
    created: float = 0.0
    state: str = WAITING
    wanted: str = ""
    """What a running fit was told to become."""
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    begin: dict[str, Any] = field(default_factory=dict)
    """The last event of each kind."""
    step: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    """How long it has run."""
    most_uncertain: float | None = None
    """The largest uncertainty, in 8-bit levels."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """Percent of the run, and the loss."""

    @property
    def identity(self) -> str:
        """The job's name in requests."""
        return self.folder.name

    @property
    def preview(self) -> bool:
        """Whether it shows a part only."""
        return self.box is not None

    @property
    def result(self) -> Path | None:
        """The result at full depth; None if there is none yet."""
        names = [name for name in self.done.get("files", []) if _stem(name).startswith("restored")]
        names.sort(key=lambda name: name.endswith(".png"))  # deeper ones first
        found = [self.folder / OUT / os.path.basename(name) for name in names]
        return next((path for path in found if path.exists()), None)

    @property
    def record(self) -> Path | None:
        """``run.json``; None for a preview."""
        path = self.folder / OUT / "run.json"
        return path if path.exists() else None

    def command(self) -> list[str]:
        """Returns the command that is run, in the job's folder."""
        out = f"{OUT}/restored{self.suffix}" if self.preview else OUT
        again = "--overwrite" if self.preview else "--resume"
        words = [f"--image={self.given}", *self.flags, f"--out={out}", again]
        return [*words, "--progress=json", f"--snapshot={SNAPSHOT}"]

    def shown_command(self) -> str:
        """Returns the command that does the same with the user's own files."""
        mask = f"--mask={MASK}"
        flags = [f"--mask={self.file_name(MASK)}" if flag == mask else flag for flag in self.flags]
        stem = _stem(self.name)
        out = f"{stem}{self.suffix}" if self.preview else f"{stem}-restored"
        return shlex.join(["dip-jax", f"--image={self.name}", *flags, f"--out={out}"])

    def file_name(self, name: str) -> str:
        """Returns the name under which the user gets a file of the job."""
        return f"{_stem(self.name)}_{name}"

    def save(self) -> None:
        """Writes where it stands."""
        record = asdict(self)
        for name in ("folder", "owner", "curve", "wanted"):
            del record[name]
        with contextlib.suppress(OSError):  # a full disk; the fit tells of it
            write_record(self.folder / RECORD, record)

    def tell(self, *, whole: bool = False) -> dict[str, Any]:
        """Returns what the page shows; ``whole``: with the curve."""
        shown = self.folder / SNAPSHOT
        told = {
            "id": self.identity,
            "name": self.name,
            "damage": self.damage,
            "state": self.state,
            "wanted": self.wanted,
            "problem": self.problem,
            "notes": self.notes,
            "preview": self.preview,
            "strength": self.strength and self.state == DONE,
            "created": self.created,
            "percent": self.step.get("percent", 0),
            "step": self.step.get("step", 0),
            "steps": self.step.get("steps", self.begin.get("steps")),
            "fit": self.step.get("fit", 1),
            "fits": self.step.get("fits", 1),
            "seconds_left": self.step.get("seconds_left"),
            "seconds": round(self.seconds, 1),
            "verdict": self.done.get("verdict"),
            "taken": self.done.get("steps"),
            "now": _time_of(shown),
            "after": _time_of(self.folder / "after.png") if self.done else None,
            "result": self.result is not None,
            "suffix": self.suffix,
            "most_uncertain": self.most_uncertain,
            "masked": (self.folder / MASK).exists(),
        }
        if whole:
            step = -(-len(self.curve) // _POINTS) or 1
            last = self.curve[-1:] if len(self.curve) % step != 1 else []
            told["curve"] = self.curve[::step] + (last if step > 1 else [])
            told["command"] = self.shown_command()
        return told

    def add(self, event: dict[str, Any]) -> None:
        """Records an event of the command."""
        kind = event.get("event")
        if kind == "start":
            self.begin = event
        elif kind == "step":
            self.step = event
            if event.get("loss") is not None:
                while self.curve and self.curve[-1][0] >= event["percent"]:  # it began anew
                    self.curve.pop()
                self.curve.append((event["percent"], event["loss"]))
        elif kind == "done":
            self.done, self.problem = event, ""
        elif kind == "skipped" and self.done.get("interrupted", True):
            self.done, self.problem = self._find_done(), ""
        elif kind == "failed":
            self.problem = str(event.get("problem"))

    def _find_done(self) -> dict[str, Any]:
        """Returns what the command said when it was done, from the files that it left."""
        run = read_record(self.folder / OUT / "run.json") or {}
        return {
            "files": sorted(path.name for path in (self.folder / OUT).iterdir()),
            "steps": run.get("steps", self.step.get("step")),
            "verdict": run.get("picture", {}).get("verdict"),
        }


def read_job(folder: Path, owner: str) -> Job | None:
    """Returns the job of a folder, as an earlier server left it; None if there is none."""
    record = read_record(folder / RECORD)
    names = {each.name for each in fields(Job)}
    if record is None:
        return None
    try:
        job = Job(folder, owner, **{name: record[name] for name in record if name in names})
    except TypeError:
        return None
    if job.state in (RUNNING, WAITING):
        job.state = PAUSED
    problem = job.problem
    with contextlib.suppress(OSError):
        for line in (folder / EVENTS).read_text(encoding="utf-8", errors="replace").splitlines():
            event = _read_event(line)
            if event is not None:
                job.add(event)
    job.problem = problem  # events tell of earlier runs too
    return job


class Queue:
    """All jobs of all browsers, run one after the other.

    Args:
      store: the studio's folder.
      finish: makes what the page shows of a job that has a new result.
      program: the words that run the command.
    """

    def __init__(
        self,
        store: Store,
        finish: Callable[[Job], Awaitable[None]],
        program: Sequence[str] = PROGRAM,
    ):
        self._store, self._finish, self._program = store, finish, program
        self._jobs: dict[str, Job] = {}
        self._new = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._running: Job | None = None
        self._worker: asyncio.Task[None] | None = None
        self._ending = False
        for owner in store.owners():
            for folder in store.list(owner, "jobs"):
                job = read_job(folder, owner)
                if job is not None:
                    self._jobs[job.identity] = job

    def list(self, owner: str) -> list[Job]:
        """Returns a browser's jobs, the newest first."""
        own = [job for job in self._jobs.values() if job.owner == owner]
        return sorted(own, key=lambda job: -job.created)

    def find(self, owner: str, identity: str) -> Job:
        """Returns a browser's job.

        Raises:
          Problem: if it has none of that name.
        """
        job = self._jobs.get(identity)
        if job is None or job.owner != owner:
            raise Problem("this job no longer exists; reload the page", 404)
        return job

    def ahead(self, job: Job) -> int:
        """Returns how many jobs come before a waiting one."""
        waiting = [other for other in self._jobs.values() if other.state == WAITING]
        earlier = sum(other.created < job.created for other in waiting)
        return earlier + (self._running is not None)

    @property
    def busy(self) -> frozenset[Path]:
        """The folders of jobs that run or wait."""
        states = (RUNNING, WAITING)
        return frozenset(job.folder for job in self._jobs.values() if job.state in states)

    def check_room(self, owner: str) -> None:
        """Raises a Problem if a browser has too many jobs."""
        if len(self.list(owner)) >= _MOST:
            raise Problem(f"there are {_MOST} jobs already; remove some first", 429)

    def add(self, job: Job) -> None:
        """Puts a new job at the end of the queue."""
        job.created = time.time()
        self._jobs[job.identity] = job
        job.save()
        self._new.set()

    def go_on(self, job: Job) -> None:
        """Puts a paused, stopped or failed job into the queue again."""
        if job.state not in (PAUSED, STOPPED, FAILED):
            raise Problem(f"the job is {job.state}; there is nothing to go on with", 409)
        job.state, job.problem, job.wanted = WAITING, "", ""
        job.save()
        self._new.set()

    def end(self, job: Job, state: str) -> None:
        """Pauses or stops a job; what a running one has so far is saved."""
        if job.state == WAITING:
            job.state = state
            job.save()
        elif job is self._running:
            if not job.wanted:  # a second signal would end it without saving
                self._signal(signal.SIGTERM)
            job.wanted = state
        else:
            raise Problem(f"the job is {job.state}; it does not run", 409)

    def remove(self, job: Job) -> None:
        """Removes a job with all its files, at once."""
        del self._jobs[job.identity]
        if job is self._running:
            job.wanted = "removed"
            self._signal(_KILL)
        else:
            remove(job.folder)

    def forget(self) -> None:
        """Drops jobs whose folders were swept away."""
        for identity in [name for name, job in self._jobs.items() if not job.folder.exists()]:
            del self._jobs[identity]

    def start(self) -> None:
        """Begins to run jobs, until ``close``."""
        self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while not self._ending:
            waiting = [job for job in self._jobs.values() if job.state == WAITING]
            if not waiting:
                self._new.clear()
                await self._new.wait()
                continue
            job = min(waiting, key=lambda job: job.created)
            self._running = job
            try:
                await self._run(job)
            except OSError as error:  # such as a full disk
                job.state, job.wanted = FAILED, ""
                job.problem = f"the fit could not be run ({error.strerror}); free some space"
                job.save()
            except Exception:  # a mistake of ours: the other jobs go on
                traceback.print_exc()
                job.state, job.wanted = FAILED, ""
                job.problem = f"{_UNEXPECTED}{job.folder}"
                job.save()
            finally:
                self._signal(_KILL)  # if it still runs
                self._running = self._process = None
                if job.identity not in self._jobs:
                    remove(job.folder)

    async def close(self) -> None:
        """Ends the fit under way and waits until it has saved what it has."""
        self._ending = True
        self._new.set()
        if self._worker is None:
            return
        if self._running is not None and not self._running.wanted:
            self._signal(signal.SIGTERM)
        _, late = await asyncio.wait([self._worker], timeout=_SAVING)
        if late:
            self._signal(_KILL)
            await asyncio.wait([self._worker], timeout=_NOTING)
            self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        job.state, job.wanted, job.notes = RUNNING, "", []
        job.save()
        began, before = time.monotonic(), job.seconds
        (job.folder / OUT).mkdir(exist_ok=True)
        with (job.folder / LOG).open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._program,
                *job.command(),
                cwd=job.folder,
                env=environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE,
                start_new_session=True,  # Ctrl-C in the terminal is the server's
            )
        with contextlib.suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _PRIORITY)
        if job.wanted or self._ending:  # while it started
            self._signal(signal.SIGTERM)
        ended = False
        assert process.stdout is not None
        with (job.folder / EVENTS).open("a", encoding="utf-8") as events:
            async for line in process.stdout:
                text = line.decode("utf-8", "replace")
                event = _read_event(text)
                if event is not None:
                    job.add(event)
                    ended = ended or event.get("event") in ("done", "skipped")
                    events.write(text)
                    events.flush()
                job.seconds = before + time.monotonic() - began
                job.notes = _read_notes(job.folder / LOG)
        code = await process.wait()
        job.notes = _read_notes(job.folder / LOG)
        if job.wanted == "removed":
            return
        interrupted = not ended or bool(job.done.get("interrupted"))
        if ended and job.result is not None:
            with contextlib.suppress(Problem):
                await self._finish(job)
        if ended and not interrupted:
            job.state = DONE
        elif job.wanted or self._ending or ended:
            job.state = job.wanted or PAUSED
            job.problem = "" if ended else _NO_PICTURE
        else:
            job.state = FAILED
            if code in (0, 130) or not job.problem:
                job.problem = f"{_UNEXPECTED}{job.folder}"
        job.wanted = ""
        job.save()

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _read_event(line: str) -> dict[str, Any] | None:
    """Returns the event that a line holds; None for another line."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    return None


def _read_notes(log: Path) -> list[str]:
    """Returns the command's remarks on possible mistakes."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line.removeprefix(_NOTE) for line in lines if line.startswith(_NOTE)]
    return []


def _stem(name: str) -> str:
    """Returns a file's name without its folder and suffix."""
    return Path(name).stem


def _time_of(path: Path) -> int | None:
    """Returns when a file was written, in milliseconds; None if there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns // 1_000_000
    return None
