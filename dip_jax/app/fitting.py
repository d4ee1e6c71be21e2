"""From a picture and a preset to a restored picture."""

import functools
import numbers
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax import clipping
from dip_jax.app import memory, programs
from dip_jax.app.assembly import algorithm_of, description_of, generator_of
from dip_jax.app.checkpoint import Arrays, Checkpoint
from dip_jax.app.correction import agreeing, completed, corrected
from dip_jax.app.degrade import enlarge
from dip_jax.app.errors import UserError
from dip_jax.app.noise import Noise, estimate_noise, given_noise
from dip_jax.app.presets import find_preset
from dip_jax.app.problem import (
    Problem,
    as_image,
    as_mask,
    make_input,
    make_task,
    place,
    scattered,
)
from dip_jax.app.restoration import Restoration, combined
from dip_jax.app.running import Fit, Progress, run_fit
from dip_jax.app.settings import HIDE, Preset, changed
from dip_jax.app.stopping import Parts, partition, rule_for
from dip_jax.app.tiles import joined, tiles
from dip_jax.base import Algorithm, Task
from dip_jax.loop import Program, needed_bytes
from dip_jax.operators import Crop


def restore(
    picture: np.ndarray,
    *,
    task: str | None = None,
    mask: np.ndarray | None = None,
    noise: str = "gaussian",
    sigma: float | None = None,
    gain: float | None = None,
    reference: np.ndarray | None = None,
    preset: str | Preset = "fast",
    seed: int = 0,
    keep_known: bool = True,
    progress: Progress = True,
    checkpoint: Checkpoint | None = None,
    fit_memory: bool = False,
    **changes: Any,
) -> Restoration:
    """Restores one picture with a preset's settings and a progress bar.

    A second picture of the same size, channels and settings starts without compiling. An
    interrupt (Ctrl-C, or a notebook's stop button) ends the fit with the picture so far.

    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).random((40, 30, 3), np.float32)
    >>> restore(noisy, steps=2, progress=False).image.shape
    (40, 30, 3)

    Args:
      picture: uint8, or float in [0, 1], ``[h, w]``, ``[h, w, 1]`` or ``[h, w, 3]``, of any
        size.
      task: "denoise", "reconstruct", "inpaint" or "super_resolve"; when absent, the first
        that the preset is for ("denoise" for most).
      mask: for inpainting, ``[h, w]`` or ``[h, w, 1]``: 1 (or True) known, 0 to be filled.
      noise: for denoising, "gaussian" or "poisson" (of few photons).
      sigma: standard deviation of Gaussian noise in 8-bit levels. Where the preset or the
        stopping rule needs it, it is estimated when absent; so is ``gain``.
      gain: of Poisson noise, the 8-bit levels that one photon makes.
      reference: the true picture, if it is known; reported, never fitted.
      preset: a name of ``dip-jax --list_presets``, or a preset of your own.
      seed: decides everything random; from 0 to 2**32 - 1.
      keep_known: whether what is known is put back into the result: for inpainting the known
        pixels, which what fills the holes is made to join; for super-resolution it is made to
        give ``picture`` when made small again.
      progress: whether a bar is shown; or a function that gets, after each chunk, the share of
        the whole run that it was, and ends the run, like Ctrl-C, by returning something true.
      checkpoint: keeps the fit as it goes, and takes it up where an earlier call was killed.
      fit_memory: whether a picture too large for the memory is restored in tiles that fit.
      **changes: fields of :class:`~dip_jax.app.settings.Preset` to change, such as
        ``steps=200``, ``stop="none"``, ``members=4`` (fits with the seeds from ``seed`` on,
        averaged), ``generator="unet"``, or ``factor=2`` for super-resolution.

    Raises:
      UserError: a ValueError that names the argument, its value and the mend.
    """
    started = time.perf_counter()
    preset = changed(
        find_preset(preset, task, flag="preset") if isinstance(preset, str) else preset,
        **changes,
    )
    if task not in (None, preset.task):
        raise UserError("task", task, f"the preset is for {preset.task}")
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise UserError("seed", seed, "must be from 0 to 2**32 - 1")
    y, known, truth = _arrays(preset, picture, mask, reference)
    if preset.jitter_strong is not None and (sigma or 0) >= 50:
        preset = preset._replace(jitter=preset.jitter_strong)
    model = given_noise(noise, preset.task, sigma, gain)
    # Who hides pixels may have noise of another kind: no level is assumed of it.
    needed = preset.denoiser and not preset.hide
    if model is None and (needed or preset.stop in ("r2r", "discrepancy")):
        model = estimate_noise(y, noise)
    if model is not None and preset.fed:
        model = model.seen_to_be_clipped(y)
    if preset.hide is None:
        preset = preset._replace(hide=HIDE if known is not None and scattered(known) else 0.0)
    pixels = int(known.sum()) if known is not None else y.shape[0] * y.shape[1]
    preset = preset._replace(stop=rule_for(preset, model, pixels))
    generator = generator_of(preset, y.shape[2])
    kept = None if checkpoint is None else checkpoint.load()
    job = _Job(
        preset=preset,
        algorithm=algorithm_of(preset, generator),
        program=programs.kept(description_of(preset, generator)),
        stride=generator.stride,
        noise=model,
        keep_known=keep_known,
        seed=int(seed),
        progress=progress,
        checkpoint=checkpoint,
        kept=kept,
        finished=_finished(kept, preset),
    )
    # A run that goes on keeps its tiles: there may be more memory now, or less.
    tile = int(kept["tile"]) if kept else job.fitting_tile(y, known, allowed=fit_memory)
    job = job._replace(preset=preset._replace(tile=tile))
    crops = tiles(y.shape[0], y.shape[1], tile)
    parts = []
    for number, crop in enumerate(crops):
        holes = None if known is None else crop(known)
        clean = None if truth is None else enlarged(crop, preset)(truth)
        parts.append(job.tile(number, len(crops), crop(y), holes, clean, started))
        if parts[-1].interrupted and len(crops) > 1:
            raise KeyboardInterrupt  # a picture with holes is none
        started = time.perf_counter()
    outcome = joined(parts, [enlarged(crop, preset) for crop in crops])
    image = outcome.image
    if keep_known and known is not None:
        image = known * y + (1 - known) * image  # to the bit, of the mean of tiles and members too
    elif keep_known and preset.task == "super_resolve":
        image = agreeing(image, y, preset)
    image = np.clip(image, 0, 1)
    uncertainty = outcome.uncertainty
    if uncertainty is not None and known is not None and keep_known:
        uncertainty = uncertainty * (1 - known[:, :, 0])
    return outcome._replace(image=image, noise=model, uncertainty=uncertainty)


class _Job(NamedTuple):
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
            level = self.noise.level / 255 if self.noise.clipped else 0.0
            unclip = Partial(clipping.unclip, deviation=jnp.float32(level))
            task = task._replace(metrics=dip_jax.through(unclip, task).metrics)
        seen = parts.y
        if preset.task == "super_resolve":
            task = dip_jax.through(window.crop, task)
            seen = jnp.asarray(window.pad(enlarge(np.asarray(seen), preset.factor)))
        make_z = functools.partial(make_input, preset, seen, window, parts.known, parts.deviation)
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


def enlarged(crop: Crop, preset: Preset) -> Crop:
    """The part of the result that a part of the picture makes."""
    times = preset.factor if preset.task == "super_resolve" else 1
    return Crop(*(times * value for value in crop))


def _arrays(
    preset: Preset, picture: np.ndarray, mask: np.ndarray | None, reference: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The picture, what is known of it and the truth, checked."""
    y = as_image("picture", picture)
    known = None
    if preset.task == "inpaint":
        if mask is None:
            raise UserError("mask", mask, "is needed for inpainting; give the known pixels")
        known = as_mask(mask, y)
    elif mask is not None:
        raise UserError("mask", "given", f"has no meaning for {preset.task}; drop it")
    truth = None if reference is None else as_image("reference", reference)
    times = preset.factor if preset.task == "super_resolve" else 1
    wanted = (y.shape[0] * times, y.shape[1] * times, y.shape[2])
    if truth is not None and truth.shape != wanted:
        raise UserError("reference", truth.shape, f"the restored picture's shape will be {wanted}")
    return y, known, truth


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


def _finished(kept: Arrays | None, preset: Preset) -> list[Restoration]:
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
