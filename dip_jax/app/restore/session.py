"""All fits of one picture: each member of each tile, shown, checkpointed and resumed."""

import functools
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from tqdm.auto import tqdm

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.files.checkpoint import Arrays, Checkpoint
from dip_jax.app.machine import memory
from dip_jax.app.recipe import Measured, Preset, Split, split
from dip_jax.app.recipe.rules import Measurement
from dip_jax.app.restore.canvas import Problem, put_on_canvas
from dip_jax.app.restore.finish import Scene, finish
from dip_jax.app.restore.fit import FitSpec, Place, count_of, run_fit, shows_bar
from dip_jax.app.restore.plan import Plan, with_tile
from dip_jax.app.restore.result import Restoration
from dip_jax.app.restore.watch import Outline, Watch
from dip_jax.base import Task
from dip_jax.loop import needed_bytes
from dip_jax.noise import invert_clipped_mean
from dip_jax.operators import Crop
from dip_jax.tiling import cut_picture, most_detailed


class PictureRun:
    """The fits of a picture, counted tile by tile and member by member."""

    def __init__(
        self,
        plan: Plan,
        watch: Watch,
        checkpoint: Checkpoint | None,
        *,
        fit_memory: bool,
        earlier: Mapping[int, Arrays] | None = None,
    ):
        self._watch = watch
        self._checkpoint = checkpoint
        self._kept = None if checkpoint is None else checkpoint.load()
        self._finished = _finished_fits(self._kept, plan.preset)
        if self._kept is None:
            self._carried = dict(earlier or {})
            self._continues = bool(earlier)
        else:  # as it began
            self._carried = {int(k): v for k, v in self._kept.get("carried", {}).items()}
            self._continues = bool(self._kept.get("continues", False))
        self._plan = plan
        self._check_members()
        wanted = plan.preset.counts.tile or 0
        # A resumed run keeps its tiles: there may be more memory now, or less.
        tile = int(self._kept["tile"]) if self._kept else wanted
        self.crops = cut(plan, tile)
        self._steps = [plan.preset.counts.steps] * len(self.crops)
        if not self._kept:
            largest = max(self.crops, key=lambda crop: crop.height * crop.width)
            tile = self._largest_tile(largest, allowed=fit_memory)
            self.crops = self.crops if tile == wanted else cut(plan, tile)
        self._plan = with_tile(plan, tile)
        self._steps = self._count_steps()
        watch.begin(Outline(tile, wanted, self.crops, plan.y[:, :, 0].size))
        known = plan.known
        if known is not None and not all(crop(known).any() for crop in self.crops):
            problem = "leaves a tile without a known pixel, in a large hole; take larger ones, or 0"
            raise UserError("tile", tile, problem)

    @property
    def carried(self) -> Mapping[int, Arrays] | None:
        """What another picture can continue from, by member."""
        return self._carried if self._plan.warm else None

    def _count_steps(self) -> list[int]:
        """Returns the steps that a fit of each tile takes at most."""
        counts, spec = self.preset.counts, self.preset.task
        # All tiles but the first continue from the one before; that one, from an earlier picture.
        later = min(counts.steps, counts.later_steps or counts.steps)
        steps = [later if self._continues else counts.steps, *[later] * (len(self.crops) - 1)]
        pixels = self._plan.y[:, :, 0].size
        if counts.tile or all(crop.height * crop.width == pixels for crop in self.crops):
            return steps
        problems = map(self.problem, self.crops)  # one at a time
        return [
            spec.count_window_steps(count, self._measured(problem))
            for count, problem in zip(steps, problems, strict=True)
        ]

    def _measured(self, problem: Problem) -> Measured:
        plan = self._plan
        return Measured(problem.y, problem.known, plan.noise, plan.data, problem.region)

    def _check_members(self) -> None:
        """Raises a UserError if an earlier picture had fewer members than this one."""
        count = self._plan.preset.counts.members
        if self._continues and not set(range(count)) <= self._carried.keys():
            problem = f"holds {len(self._carried)} of {count} members; begin again with True"
            raise UserError("warm_start", "given", problem)

    @property
    def preset(self) -> Preset:
        """The settings in force."""
        return self._plan.preset

    def scene(self, problem: Problem | None = None, held: np.ndarray | None = None) -> Scene:
        """Returns what the finishing steps know of the picture, a tile, a fit."""
        plan = self._plan
        given = plan.span.enter(plan.picture)
        return Scene(
            plan.preset, plan.noise, plan.y, plan.data, problem, held, given, plan.strength
        )

    def problem(self, crop: Crop) -> Problem:
        """Returns a tile on its canvas."""
        plan = self._plan
        task, known, truth = plan.preset.task, plan.known, plan.reference
        return put_on_canvas(
            task,
            crop(plan.y),
            None if known is None else crop(known),
            None if truth is None else plan.enlarge(crop)(truth),
            plan.generator.stride,
            task.margin(plan.data),
        )

    def run_member(
        self, tile: int, member: int, problem: Problem, *, started: float | None = None
    ) -> Restoration:
        """Returns the restoration of a tile by one member, from a checkpoint if it is there.

        Args:
          tile: its number.
          member: its number.
          problem: the tile on its canvas.
          started: as for :func:`.run_fit`, now when absent.
        """
        index = tile * self.preset.counts.members + member
        part = self._split(member, problem)
        scene = self.scene(problem, problem.known - np.asarray(part.known))
        if index == len(self._finished):
            outcome, carried = run_fit(
                self._fit_spec(member, problem, part, tile),
                started=time.perf_counter() if started is None else started,
                watch=self._watch,
                kept=self._kept if self._was_begun(index) else None,
                offer=self._offer,
            )
            if carried:  # it was not interrupted
                self._carried[member] = carried
            self._finished.append(finish(outcome, "fit", scene))
        return finish(self._finished[index], "member", scene)

    def finish_tile(self, tile: int, combined: Restoration, problem: Problem) -> Restoration:
        """Returns the members' combined restoration of a tile, finished."""
        label = count_of(tile, len(self.crops))
        # Refining takes seconds, in which nothing else would move on the screen.
        with tqdm(
            desc=f"{label}finishing",
            bar_format="{desc}",
            leave=False,
            disable=not shows_bar(self._watch),
        ):
            return finish(combined, "tile", self.scene(problem))

    def save(self) -> None:
        """Saves the fits that have ended, for a run that is interrupted while it finishes."""
        self._offer(dict, True)

    def _was_begun(self, index: int) -> bool:
        """Whether the checkpoint holds a fit that had not ended."""
        kept = self._kept
        return kept is not None and "state" in kept and index == int(kept["index"])

    def _key(self, member: int) -> jax.Array:
        return jax.random.key((self._plan.seed + member) % 2**32)

    def _split(self, member: int, problem: Problem) -> Split:
        """Returns what a member fits, and what validates it."""
        plan, method = self._plan, self.preset.method
        rule = plan.rule.resolve(
            self.preset.task, problem.y, plan.noise, hides_pixels=method.hides_pixels
        )
        data = Measurement(problem.y, problem.known, problem.mirror)
        key = jax.random.fold_in(self._key(member), 2)
        return split(rule, data, plan.noise, key, feeds_noise=method.feeds_noise)

    def _fit_spec(self, member: int, problem: Problem, part: Split, tile: int = 0) -> FitSpec:
        plan, window, spec = self._plan, problem.window, self.preset.task
        counts, steps = plan.preset.counts, self._steps
        index = tile * counts.members + member
        place = Place(
            index,
            len(self.crops) * counts.members,
            counts.members * sum(steps[:tile]) + member * steps[tile],
            counts.members * sum(steps),
        )

        def picture() -> jax.Array:
            if spec.on_canvas:
                return part.y
            return jnp.asarray(window.pad(spec.enlarge(np.asarray(part.y))))

        return FitSpec(
            algorithm=plan.algorithm,
            program=plan.program,
            task=self._task(problem, part),
            key=self._key(member),
            make_input=functools.partial(
                self.preset.method.make_input, part, picture, (window.height, window.width)
            ),
            preset=self.preset,
            crop=window.crop,
            steps=steps[tile],
            place=place,
            show=functools.partial(self._picture_so_far, tile),
            earlier=(
                self._carried.get(member)
                if counts.later_steps and (tile or self._continues)
                else None
            ),
        )

    def _picture_so_far(self, tile: int, estimate: np.ndarray) -> np.ndarray:
        """Returns the whole picture while a tile is fitted: unblended, finished as far as is quick.

        Args:
          tile: the number of the tile.
          estimate: the fit's, ``[h, w, c]``.
        """
        plan, members = self._plan, self.preset.counts.members
        task = self.preset.task
        whole = np.array(task.enlarge(plan.y))
        for number, crop in enumerate(self.crops[: tile + 1]):
            done = self._finished[number * members : (number + 1) * members]
            fitted = estimate if number == tile else np.mean([fit.image for fit in done], axis=0)
            plan.enlarge(crop)(whole)[:] = fitted
        exact = task.exact(plan.data)
        if exact is not None:
            whole = exact * plan.y + (1 - exact) * whole
        return plan.span.leave(np.clip(whole, 0, 1))

    def _task(self, problem: Problem, part: Split) -> Task:
        plan, preset = self._plan, self.preset
        spec, method, data = preset.task, preset.method, plan.fit_data
        region = jnp.asarray(problem.region)
        truth = None if problem.reference is None else jnp.asarray(problem.reference)
        # Weighted so that the loss is a mean over the picture alone.
        task = spec.make(part.y, part.known / jnp.sqrt(jnp.mean(region)), data, truth, region)
        if preset.tv and not method.feeds_picture:
            task = dip_jax.total_variation(task, preset.tv)
        validation = plan.rule.validate(
            part,
            lambda y, weight: spec.compare(y, weight, data),
            plan.noise,
            feeds_noise=method.feeds_noise,
        )
        if validation is not None:
            task = dip_jax.validate(task, validation)
        if plan.noise is not None and method.feeds_picture and truth is not None:
            # Scored as the fit will be in the end; by the same program where nothing was clipped.
            noise = plan.noise._replace(clipped=plan.noise.clipped and not method.feeds_noise)
            final = Partial(invert_clipped_mean, noise.clipping_model())
            task = task._replace(metrics=dip_jax.precompose(final, task).metrics)
        return task if spec.on_canvas else dip_jax.precompose(problem.window.crop, task)

    def _largest_tile(self, largest: Crop, *, allowed: bool) -> int:
        """Returns the side of tiles for which a fit has enough memory; see ``machine.memory``.

        ``largest`` is the largest of those that were asked for.
        """
        tile = self.preset.counts.tile or 0
        problem = self.problem(largest)
        pixels = problem.window.height * problem.window.width
        if not memory.may_not_fit(pixels):
            return tile
        fit = self._fit_spec(0, problem, self._split(0, problem))
        z = jax.eval_shape(fit.make_input, fit.key)
        needed = needed_bytes(fit.algorithm, fit.key, fit.task, z, jax.default_backend())
        task = self.preset.task
        allowed = allowed and task.tiles
        return memory.largest_tile(tile, task.factor, pixels, needed, allowed=allowed)

    def _offer(self, arrays: Callable[[], Arrays], at_once: bool) -> None:
        if self._checkpoint is not None:
            rest = {"tile": np.array(self.preset.counts.tile)} | _arrays_of(self._finished)
            if self.preset.counts.later_steps and self._carried:
                rest["carried"] = {str(member): one for member, one in self._carried.items()}
                rest["continues"] = np.array(self._continues)
            self._checkpoint.offer(lambda: arrays() | rest, at_once)


def cut(plan: Plan, tile: int) -> list[Crop]:
    """Returns what is fitted of a picture, one after the other.

    If tiles go on from one another, the one with the most detail comes first, since it teaches the
    others most.
    """
    height, width = plan.y.shape[:2]
    exact = plan.preset.task.exact(plan.data)
    crops = cut_picture(height, width, tile, exact)
    if plan.preset.counts.later_steps and exact is None:
        crops.insert(0, crops.pop(most_detailed(plan.y, crops)))
    return crops


def _arrays_of(fits: list[Restoration]) -> Arrays:
    """Returns what a checkpoint holds of fits that have ended, and the index of the next one."""
    arrays = {
        f"{number:04d}": {
            "raw": fit.raw,
            "trace": fit.trace,
            "seconds": np.array([fit.compile_seconds, fit.fit_seconds]),
        }
        for number, fit in enumerate(fits)
    }
    return {"index": np.array(len(fits))} | ({"finished": arrays} if arrays else {})


def _finished_fits(kept: Arrays | None, preset: Preset) -> list[Restoration]:
    """Returns the restorations of the fits that a checkpoint holds as ended."""
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
