"""From a picture and a preset to a restored picture."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from dip_jax.app.files.checkpoint import Arrays, Checkpoint
from dip_jax.app.recipe import AUTO_NOISE, Preset
from dip_jax.app.restore.finish import finish, keep_picture, leave_span, mask_uncertainty
from dip_jax.app.restore.plan import Plan, make_plan
from dip_jax.app.restore.result import Restoration, combine_members
from dip_jax.app.restore.session import PictureRun
from dip_jax.app.restore.tiles import join_tiles
from dip_jax.app.restore.watch import Progress, as_watch
from dip_jax.noise import NoiseModel
from dip_jax.operators import Crop

WarmStart = bool | Mapping[int, Arrays]
"""See :func:`restore`; an empty mapping is like True."""


def restore(
    picture: np.ndarray,
    *,
    task: str | None = None,
    preset: str | Preset = "fast",
    noise: str | NoiseModel = AUTO_NOISE,
    sigma: float | None = None,
    gain: float | None = None,
    reference: np.ndarray | None = None,
    seed: int = 0,
    progress: Progress = True,
    checkpoint: Checkpoint | None = None,
    fit_memory: bool = False,
    part: Crop | None = None,
    warm_start: WarmStart = False,
    **settings: Any,
) -> Restoration:
    """Restores one picture with a preset's settings and a progress bar.

    A second picture of the same size, channels and settings starts without compiling. An
    interrupt (Ctrl-C, or a notebook's stop button) ends the fit with the picture so far.

    >>> import numpy as np
    >>> noisy = np.random.default_rng(0).random((40, 30, 3), np.float32)
    >>> restore(noisy, steps=2, progress=False).image.shape
    (40, 30, 3)

    Args:
      picture: uint8, or float in [0, 1], ``[h, w]`` or ``[h, w, c]``, of any size and any number
        of channels.
      task: a name of :data:`dip_jax.app.recipe.TASKS`, such as "denoise" or "inpaint"; when absent,
        the first that the preset is for ("denoise" for most).
      preset: a name of ``dip-jax --list_presets``, or a preset of your own.
      noise: for tasks with noise, "gaussian" or "poisson" (few photons), or its model. "auto" finds
        it: see :func:`dip_jax.noise.identify_noise`. A picture without noise is then returned as
        it is, and ``verdict`` of the result says so. "camera" does the same, and assumes that of a
        camera, up to 3.5 levels, where texture may hide it.
      sigma: standard deviation of Gaussian or a camera's noise in 8-bit levels. Where the method or
        the stopping rule needs it, it is estimated when absent; so is ``gain``.
      gain: of Poisson noise, the 8-bit levels per photon.
      reference: the true picture, if it is known; reported, never fitted.
      seed: decides everything random; from 0 to 2**32 - 1.
      progress: whether a bar is shown; or a function that gets each chunk's share of the whole run,
        and ends the run, like Ctrl-C, by returning a true value; or a :class:`Watch`, which gets
        more.
      checkpoint: saves the fit as it goes, and resumes it where an earlier call was killed.
      fit_memory: whether a picture too large for the memory is restored in tiles that fit.
      part: a window of the picture, to be restored alone; the noise is that of the whole picture.
      warm_start: ``carried`` of the restoration of a similar picture, such as the frame before.
        This one then continues from its networks, in ``later_steps`` steps. True, for the first
        picture, makes a restoration that others can continue from.
      **settings: the task's arrays, such as ``mask`` for inpainting (``[h, w]``: 1 known, 0 to
        be filled); and settings of the preset to change, such as ``steps=200``, ``stop="none"``,
        ``members=4`` (fits with the seeds from ``seed`` on, combined), ``generator="unet"``,
        ``hide=0.5``, or ``factor=2`` for super-resolution: see
        :func:`dip_jax.app.recipe.change`. ``keep_known`` says whether what is known is put back
        into the result: for inpainting the known pixels, with the holes blended into them; for
        super-resolution the result is corrected to give ``picture`` when downsampled again.

    Raises:
      UserError: a ValueError that names the argument, its value and the fix.
    """
    started: float | None = time.perf_counter()
    plan = make_plan(
        picture,
        task=task,
        preset=preset,
        noise=noise,
        sigma=sigma,
        gain=gain,
        reference=reference,
        seed=seed,
        part=part,
        warm=warm_start is not False,
        settings=settings,
    )
    earlier = warm_start if isinstance(warm_start, Mapping) else {}
    # Another picture's parameters outlast one that adds nothing, or is of another kind.
    handed_on = earlier if warm_start is not False else None
    exact = plan.preset.task.exact(plan.data)
    clean = plan.verdict is not None and plan.verdict.kind == "none"
    if clean or (exact is not None and exact.all()):  # such as a part without a hole
        return keep_picture(plan)._replace(carried=handed_on)
    run = PictureRun(
        plan,
        as_watch(progress),
        checkpoint,
        fit_memory=fit_memory,
        earlier=earlier if plan.warm else {},
    )
    tiles: list[Restoration] = []
    for tile, crop in enumerate(run.crops):
        problem = run.problem(crop)
        members: list[Restoration] = []
        interrupted = False
        while len(members) < run.preset.counts.members and not interrupted:
            try:
                outcome = run.run_member(tile, len(members), problem, started=started)
            except KeyboardInterrupt:
                if not members:
                    raise
                interrupted = True
                break
            started, interrupted = None, outcome.interrupted
            if not (interrupted and members):  # an unfinished one would only spoil the others
                members.append(outcome)
        begun = time.perf_counter()
        combined = members[0]
        try:
            combined = combine_members(members, problem.y, interrupted=interrupted)
            combined = run.finish_tile(tile, combined, problem)
        except KeyboardInterrupt:  # the fits are worth keeping
            interrupted = True
            run.save()
            combined = combined._replace(interrupted=True)
        spent = combined.fit_seconds + time.perf_counter() - begun
        tiles.append(combined._replace(fit_seconds=spent))
        if interrupted and len(run.crops) > 1:
            raise KeyboardInterrupt  # a picture with missing tiles is no picture
    outcome = join_tiles(tiles, [plan.enlarge(crop) for crop in run.crops], _background(plan))
    del tiles  # as large as the picture
    scene = run.scene()
    outcome = finish(outcome, "picture", scene)._replace(
        preset=run.preset,
        carried=run.carried if plan.warm else handed_on,
        verdict=plan.verdict,
        uncertainty=mask_uncertainty(outcome.uncertainty, scene),
    )
    kernel = plan.preset.task.found_kernel(plan.data)
    return leave_span(outcome, plan)._replace(kernel=kernel)


def _background(plan: Plan) -> np.ndarray:
    """Returns the result where nothing is fitted: the picture, where it stays as it is."""
    factor, (height, width, channels) = plan.preset.task.factor, plan.y.shape
    if plan.preset.task.exact(plan.data) is not None:
        return plan.y
    return np.zeros((factor * height, factor * width, channels), np.float32)
