"""From a picture and a preset to a restored picture."""

import numbers
import time
from typing import Any

import numpy as np

from dip_jax.app import programs
from dip_jax.app.assembly import algorithm_of, description_of, generator_of
from dip_jax.app.checkpoint import Checkpoint
from dip_jax.app.correction import agreeing
from dip_jax.app.errors import UserError
from dip_jax.app.fits import Fits, finished_fits
from dip_jax.app.noise import estimate_noise, given_noise
from dip_jax.app.presets import find_preset
from dip_jax.app.problem import as_image, as_mask, scattered
from dip_jax.app.restoration import Restoration
from dip_jax.app.running import Progress
from dip_jax.app.settings import HIDE, Preset, changed
from dip_jax.app.stopping import rule_for
from dip_jax.app.tiles import joined, tiles
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
    if model is None and (preset.fed_noise or preset.stop in ("r2r", "discrepancy")):
        model = estimate_noise(y, noise)
    if model is not None and preset.fed:
        model = model.seen_to_be_clipped(y)
    if preset.hide is None:
        preset = changed(preset, hide=HIDE if known is not None and scattered(known) else 0.0)
    pixels = int(known.sum()) if known is not None else y.shape[0] * y.shape[1]
    preset = preset._replace(stop=rule_for(preset, model, pixels))
    generator = generator_of(preset, y.shape[2])
    kept = None if checkpoint is None else checkpoint.load()
    fits = Fits(
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
        finished=finished_fits(kept, preset),
    )
    # A run that goes on keeps its tiles: there may be more memory now, or less.
    tile = int(kept["tile"]) if kept else fits.fitting_tile(y, known, allowed=fit_memory)
    fits = fits._replace(preset=preset._replace(tile=tile))
    crops = tiles(y.shape[0], y.shape[1], tile)
    if known is not None and not all(crop(known).any() for crop in crops):
        problem = "leaves a tile without a known pixel, in a large hole; take larger ones, or 0"
        raise UserError("tile", tile, problem)
    parts = []
    for number, crop in enumerate(crops):
        holes = None if known is None else crop(known)
        clean = None if truth is None else enlarged(crop, preset)(truth)
        parts.append(fits.tile(number, len(crops), crop(y), holes, clean, started))
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
