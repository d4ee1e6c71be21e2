"""One fit from its first step to its last: in chunks, shown, checkpointed and resumed."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.files.checkpoint import FOLDER, Arrays
from dip_jax.app.recipe import Preset
from dip_jax.app.restore.result import Restoration
from dip_jax.app.restore.watch import Chunk, Watch
from dip_jax.base import Algorithm, State, Task
from dip_jax.loop import Program, Trace
from dip_jax.operators import Crop

_OLD = UserError(
    "--resume",
    FOLDER,
    "holds a fit of another version of dip-jax; pass --overwrite, not --resume",
)
_OTHER = UserError(
    "warm_start",
    "given",
    "is from another network, method or number of channels; begin again with True",
)


class FitSpec(NamedTuple):
    """What to run, and how much of it."""

    algorithm: Algorithm
    program: Program
    task: Task
    key: jax.Array
    make_input: Callable[[jax.Array], Any]
    """From a key to z."""
    preset: Preset
    crop: Crop
    """Where the picture lies on the generator's canvas."""
    steps: int
    """The most that it takes."""
    place: "Place"
    """Among the fits of the picture."""
    show: Callable[[np.ndarray], np.ndarray]
    """From this fit's estimate to the whole picture so far."""
    earlier: Arrays | None = None
    """What the fit of an earlier tile handed on; see :func:`run_fit`."""


class Place(NamedTuple):
    """Where a fit stands among those of a picture."""

    index: int
    """Its number, from 0 on."""
    count: int
    """How many fits there are."""
    before: int
    """The steps that all fits before it take at most."""
    total: int
    """The steps of all fits."""


def run_fit(
    fit: FitSpec,
    *,
    started: float,
    watch: Watch,
    kept: Arrays | None = None,
    offer: Callable[[Callable[[], Arrays], bool], None] = lambda arrays, at_once: None,
) -> tuple[Restoration, Arrays]:
    """Runs a fit to its end, or until an interrupt after the first step.

    Returns:
      The restoration; and what the fit hands on to another, see :func:`dip_jax.carry`, unless it
      was interrupted.

    Args:
      fit: what to run.
      started: ``time.perf_counter()`` value at which the compile timer started.
      watch: who follows it.
      kept: what ``offer`` got in an earlier run of the same fit, to continue from there.
      offer: gets, after each chunk, a function that makes the arrays to keep, and whether the
        run ends before its time, so that they should be kept at once.
    """
    steps, place = fit.steps, fit.place
    label = count_of(place.index, place.count)
    with tqdm(total=steps, desc=f"{label}compiling", disable=not shows_bar(watch)) as bar:
        course = _Course(fit, started, kept)

        def look(taken: int, state: State, trace: Trace) -> None:
            del taken
            course.add(state, trace)
            _show(bar, trace)
            ended = bool(watch.look(course.chunk(trace))) or interrupts.pending
            offer(lambda: course.arrays(state), ended)
            if ended:
                raise KeyboardInterrupt

        interrupts, interrupted = _Interrupts(), False
        carried: Arrays = {}
        try:
            state = course.start()
            options = {
                "every": fit.preset.counts.chunk_steps,
                "callback": look,
                "program": fit.program,
            }
            # The first step alone, so that the compile time is measured separately.
            first = min(1, course.remaining)
            state, _ = dip_jax.advance(fit.algorithm, state, fit.task, steps=first, **options)
            took = course.stop_compile_timer()
            bar.set_description(f"{label}compiled in {took:.1f} s, restoring")
            bar.reset()
            _show(bar, course.trace)
            with interrupts:
                state, _ = dip_jax.advance(
                    fit.algorithm, state, fit.task, steps=course.remaining, **options
                )
            carried = _name_leaves(dip_jax.carry(state))
        except KeyboardInterrupt:
            interrupted = True
            if course.picture is None:
                raise
    return course.result(interrupted), carried


def shows_bar(watch: Watch) -> bool:
    """Whether a bar is wanted, and there is where to show it."""
    return watch.bar and sys.stderr is not None


def count_of(index: int, count: int) -> str:
    """Returns the words with which the bar of one of several begins; none for a single one."""
    return f"{index + 1} of {count}, " * (count > 1)


class _Interrupts:
    """Makes a first Ctrl-C wait for the end of the chunk, once there is a state to keep.

    Within ``with``, for SIGINT and SIGTERM if they would raise a KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.default_int_handler:
                    self._before[number] = signal.signal(number, self._note)

    def __exit__(self, kind: object, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.pending and kind is None:  # it came after the last chunk
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True


class _Course:
    """The progress of a fit."""

    def __init__(self, fit: FitSpec, started: float, kept: Arrays | None):
        self.picture: np.ndarray | None = None
        self._fit = fit
        self._kept = kept
        self._traces: list[Trace] = [] if kept is None else [kept["trace"]]
        # Compiling and fitting, in the runs before this one.
        self._before = np.zeros(2) if kept is None else np.asarray(kept["seconds"])
        self._started = self._compiled = started

    def start(self) -> State:
        """Returns the state before the first step of this run."""
        fit = self._fit
        key, z_key = jax.random.split(fit.key)
        state, _ = dip_jax.run(fit.algorithm, key, fit.task, fit.make_input(z_key), steps=0)
        if self._kept is not None:
            state = _restore_state(state, self._kept["state"], _OLD)
            self._look(state)
        elif fit.earlier is not None:
            carried = _restore_state(dip_jax.carry(state), fit.earlier, _OTHER)
            count = fit.preset.optimizer.begin_late(fit.steps)
            state = dip_jax.warm_start(state, carried, count=count)
        return state

    def add(self, state: State, trace: Trace) -> None:
        """Adds one more chunk, and the state after it."""
        self._traces.append(trace)
        self._look(state)

    def _look(self, state: State) -> None:
        canvas = np.asarray(dip_jax.estimate(self._fit.algorithm, state))
        self.picture = np.asarray(self._fit.crop(canvas))

    def stop_compile_timer(self) -> float:
        """Stops the compile timer and returns its seconds."""
        self._compiled = time.perf_counter()
        return self._compiled - self._started

    @property
    def remaining(self) -> int:
        """Steps that may still be taken."""
        if self._traces and self._traces[-1]["done"][-1]:
            return 0
        return max(0, self._fit.steps - self._taken)

    @property
    def _taken(self) -> int:
        return sum(len(trace["loss"]) for trace in self._traces)

    def chunk(self, trace: Trace) -> Chunk:
        """Returns the report on the last chunk, whose trace this is."""
        place, step = self._fit.place, self._taken
        estimate = self.picture
        assert estimate is not None
        return Chunk(
            share=len(trace["loss"]) / place.total,
            done=(place.before + step) / place.total,
            fit=place.index + 1,
            fits=place.count,
            step=step,
            steps=self._fit.steps,
            loss=float(trace["loss"][-1]),
            psnr=float(trace["average_psnr"][-1]) if "average_psnr" in trace else None,
            picture=lambda: self._fit.show(estimate),
        )

    @property
    def trace(self) -> Trace:
        """All chunks' traces as one."""
        return {
            name: np.concatenate([trace[name] for trace in self._traces])
            for name in self._traces[0]
        }

    @property
    def _seconds(self) -> np.ndarray:
        now = [self._compiled - self._started, time.perf_counter() - self._compiled]
        return self._before + np.array(now)

    def arrays(self, state: State) -> Arrays:
        """Returns all that is needed to continue from ``state``."""
        return {"state": _name_leaves(state), "trace": self.trace, "seconds": self._seconds}

    def result(self, interrupted: bool) -> Restoration:
        """Returns the restoration so far."""
        assert self.picture is not None  # there is at least one step
        compile_seconds, fit_seconds = self._seconds
        return Restoration(
            image=self.picture,
            raw=self.picture,
            trace={name: values for name, values in self.trace.items() if name != "done"},
            preset=self._fit.preset,
            noise=None,
            uncertainty=None,
            members=1,
            compile_seconds=float(compile_seconds),
            fit_seconds=float(fit_seconds),
            interrupted=interrupted,
        )


def _show(bar: tqdm, trace: Trace) -> None:
    shown = {"loss": f"{trace['loss'][-1]:.2e}"}
    if "average_psnr" in trace:
        shown["psnr"] = f"{trace['average_psnr'][-1]:.2f}"
    bar.set_postfix(shown, refresh=False)
    bar.update(len(trace["loss"]))


def _name_leaves(tree: Any) -> Arrays:
    """Returns the leaves of a state, or of a part of it, by their numbers."""
    return {
        f"{number:04d}": jax.random.key_data(leaf) if _is_key(leaf) else leaf
        for number, leaf in enumerate(jax.tree.leaves(tree))
    }


def _restore_state(like: State, leaves: Arrays, error: UserError) -> State:
    """Returns a state, or a part of it, with the structure of ``like``.

    Raises:
      UserError: ``error``, if the leaves are not those of such a structure.
    """
    fresh, structure = jax.tree.flatten(like)
    names = [f"{number:04d}" for number in range(len(fresh))]
    if sorted(leaves) != names or not all(map(_same_shape, fresh, map(leaves.get, names))):
        raise error
    return jax.tree.unflatten(structure, map(_as_leaf, fresh, map(leaves.__getitem__, names)))


def _same_shape(leaf: jax.Array, data: np.ndarray | None) -> bool:
    wanted = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return data is not None and (data.shape, data.dtype) == (wanted.shape, wanted.dtype)


def _as_leaf(leaf: jax.Array, data: np.ndarray) -> jax.Array:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(leaf))
    return jnp.array(data)  # a copy: the loop takes the memory over


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
