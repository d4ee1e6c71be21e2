"""All fits of one picture: of each tile, of each member, told, kept and taken up again."""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax.app import memory
from dip_jax.app.checkpoint import Arrays, Checkpoint
from dip_jax.app.correction import as_measured, completed, corrected
from dip_jax.app.degrade import enlarge
from dip_jax.app.noise import Noise, undone
from dip_jax.app.problem import Problem, make_input, make_task, place
from dip_jax.app.restoration import Restoration, combined
from dip_jax.app.running import Fit, Progress, run_fit
from dip_jax.app.settings import Preset
from dip_jax.app.stopping import Parts, partition
from dip_jax.app.tiles import tiles
from dip_jax.base import Algorithm, Task
from dip_jax.loop import Program, needed_bytes


class Fits(NamedTuple):
    """What all fits of a picture share; each is counted, tile by tile and member by member."""

    preset: Preset
    algorithm: Algorithm
    program: Program
    stride: int
    noise: Noise | None
    keep_known: bool
    seed: int
    progress: Progress
    checkpoint: Checkpoint | None
    kept: Arrays | None
    finished: list[Restoration]

    def tile(
        self,
        number: int,
        count: int,
        y: np.ndarray,
        known: np.ndarray | None,
        truth: np.ndarray | None,
        started: float,
    ) -> Restoration:
        """The mean of the members' restorations of one tile."""
        members = self.preset.members
        problem = place(self.preset, y, known, truth, self.stride)

        def fit(member: int) -> Restoration:
            index = number * members + member
            if index == len(self.finished):
                label = f"{index + 1} of {count * members}, " if count * members > 1 else ""
                begun = started if member == 0 else time.perf_counter()
                outcome = self._fit(index, count * members, member, problem, label, begun)
                self.finished.append(outcome)
            outcome = self.finished[index]
            if not (self.keep_known and self.preset.task == "inpaint"):
                return outcome
            held = problem.known - np.asarray(self._parts(member, problem).known)
            return outcome._replace(image=completed(outcome.raw, problem, held, self.preset))

        outcome = combined(fit, members)
        if self.noise is None or not self.preset.hide:
            return outcome
        # Of the mean: the members' errors differ, the noise of a pixel's own value is one.
        return _corrected(outcome, problem, problem.known, self.noise)

    def _fit(
        self,
        index: int,
        count: int,
        member: int,
        problem: Problem,
        label: str,
        started: float,
    ) -> Restoration:
        task, make_z, key, parts = self._fit_of(member, problem)
        kept = self.kept if self.kept and index == int(self.kept["index"]) else None
        fit = Fit(
            algorithm=self.algorithm,
            program=self.program,
            task=task,
            key=key,
            make_input=make_z,
            preset=self.preset,
            crop=problem.window.crop,
            label=label,
        )
        progress = self.progress
        if callable(progress):
            progress = functools.partial(_tell, progress, count)
        outcome = run_fit(fit, started=started, progress=progress, kept=kept, offer=self._offer)
        if self.noise is None or self.preset.hide:
            return outcome
        held = problem.known - np.asarray(parts.known)
        if self.noise.clipped and self.preset.fed_noise:
            outcome = outcome._replace(raw=as_measured(outcome.raw, self.noise))
        return _corrected(outcome, problem, held, self.noise)

    def _fit_of(
        self, member: int, problem: Problem
    ) -> tuple[Task, Callable[[jax.Array], jax.Array], jax.Array, Parts]:
        """A member's task, what makes its z of a key, its key, and what the task is made of."""
        preset, window = self.preset, problem.window
        parts = self._parts(member, problem)
        task = make_task(preset, parts.y, parts.known, problem.truth, problem.region)
        if preset.tv and not preset.fed:
            task = dip_jax.total_variation(task, preset.tv)
        if parts.validation is not None:
            task = dip_jax.validate(task, parts.validation)
        if self.noise is not None and preset.fed and problem.truth is not None:
            # Scored as it will be in the end; by the same program where nothing was clipped.
            noise = self.noise._replace(clipped=self.noise.clipped and not preset.fed_noise)
            final = Partial(undone, noise.clip_law())
            task = task._replace(metrics=dip_jax.precompose(final, task).metrics)
        seen = parts.y
        if preset.task == "super_resolve":
            task = dip_jax.precompose(window.crop, task)
            seen = jnp.asarray(window.pad(enlarge(np.asarray(seen), preset.factor)))
        make_z = functools.partial(
            make_input, preset, seen, window, parts.known, parts.deviation, parts.cut
        )
        return task, make_z, self._key(member), parts

    def _key(self, member: int) -> jax.Array:
        return jax.random.key((self.seed + member) % 2**32)

    def _parts(self, member: int, problem: Problem) -> Parts:
        """What a member fits, and what it is validated with."""
        key = jax.random.fold_in(self._key(member), 2)
        return partition(self.preset, problem, self.noise, key)

    def fitting_tile(self, y: np.ndarray, known: np.ndarray | None, *, allowed: bool) -> int:
        """The side of tiles, such that a fit has enough memory; see :mod:`dip_jax.app.memory`."""
        first = tiles(y.shape[0], y.shape[1], self.preset.tile)[0]
        holes = None if known is None else first(known)
        problem = place(self.preset, first(y), holes, None, self.stride)
        pixels = problem.window.height * problem.window.width
        if not memory.suspect(pixels):
            return self.preset.tile
        task, make_z, key, _ = self._fit_of(0, problem)
        z = jax.eval_shape(make_z, key)
        needed = needed_bytes(self.algorithm, key, task, z, jax.default_backend())
        return memory.fitting_tile(self.preset, pixels, needed, allowed=allowed)

    def _offer(self, arrays: Callable[[], Arrays], at_once: bool) -> None:
        if self.checkpoint is not None:
            rest = {"tile": np.array(self.preset.tile)}
            self.checkpoint.offer(lambda: arrays() | rest | _of_finished(self.finished), at_once)


def _corrected(
    outcome: Restoration, problem: Problem, unseen: np.ndarray, noise: Noise
) -> Restoration:
    image = corrected(outcome.raw, problem, unseen, noise)
    return outcome._replace(image=image, raw=image)


def _tell(progress: Callable[[float], object], fits: int, share: float) -> object:
    """Tells the share of all fits that ``share`` of one is."""
    return progress(share / fits)


def _of_finished(fits: list[Restoration]) -> Arrays:
    """What a checkpoint holds of fits that have ended, and the index of the next one."""
    arrays = {
        f"{number:04d}": {
            "raw": fit.raw,
            "trace": fit.trace,
            "seconds": np.array([fit.compile_seconds, fit.fit_seconds]),
        }
        for number, fit in enumerate(fits)
    }
    return {"index": np.array(len(fits))} | ({"finished": arrays} if arrays else {})


def finished_fits(kept: Arrays | None, preset: Preset) -> list[Restoration]:
    """The restorations of the fits that a checkpoint holds as ended."""
    arrays = (kept or {}).get("finished", {})
    return [
        Restoration(
            image=fit["raw"],
            raw=fit["raw"],
            trace=fit["trace"],
            preset=preset,
            noise=None,
            uncertainty=None,
            members=1,
            compile_seconds=float(fit["seconds"][0]),
            fit_seconds=float(fit["seconds"][1]),
            interrupted=False,
        )
        for _, fit in sorted(arrays.items())
    ]
