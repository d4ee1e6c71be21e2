"""From a picture and a preset to a restored picture: the public pieces, put together."""

import functools
import numbers
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm.auto import tqdm

import dip_jax
from dip_jax.app.degrade import enlarge
from dip_jax.app.errors import UserError
from dip_jax.app.noise import estimate_noise, given_noise
from dip_jax.app.presets import Preset, changed, find_preset
from dip_jax.app.problem import (
    Window,
    as_image,
    as_mask,
    canvas,
    make_input,
    make_task,
)
from dip_jax.app.restoration import Restoration, combined
from dip_jax.app.stopping import partition, rule_for, stopped, watch_outputs
from dip_jax.base import Algorithm, Task
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
    progress: bool = True,
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
      keep_known: for inpainting, whether known pixels are put back into the result.
      progress: whether a bar is shown.
      **changes: fields of :class:`~dip_jax.app.presets.Preset` to change, such as
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
    y = as_image("picture", picture)
    known = None
    if preset.task == "inpaint":
        if mask is None:
            raise UserError("mask", mask, "is needed for inpainting; give the known pixels")
        known = as_mask(mask, y)
    elif mask is not None:
        raise UserError("mask", "given", f"has no meaning for {preset.task}; drop it")
    if preset.jitter_strong is not None and (sigma or 0) >= 50:
        preset = preset._replace(jitter=preset.jitter_strong)
    seen = enlarge(y, preset.factor) if preset.task == "super_resolve" else y
    truth = None if reference is None else as_image("reference", reference)
    if truth is not None and truth.shape != seen.shape:
        raise UserError(
            "reference", truth.shape, f"the restored picture's shape will be {seen.shape}"
        )

    model = given_noise(noise, preset.task, sigma, gain)
    if model is None and (preset.alpha or preset.stop in ("r2r", "discrepancy")):
        model = estimate_noise(y, noise)
    pixels = int(known.sum()) if known is not None else y.shape[0] * y.shape[1]
    preset = preset._replace(stop=rule_for(preset, model, pixels))
    generator = _generator(preset.generator, preset.options, y.shape[2])
    window = canvas(seen.shape[0], seen.shape[1], generator.stride)
    # Without the fields that change no program, else they would compile another.
    algorithm = _algorithm(
        preset._replace(
            **dict.fromkeys(("name", "task", "source", "expected"), ""),
            **dict.fromkeys(("steps", "every", "depth", "factor", "missing", "members"), 0),
        ),
        generator,
        window if preset.alpha else None,
    )

    def fit(member: int) -> Restoration:
        key = jax.random.key((seed + member) % 2**32)
        parts = partition(preset, y, known, model, jax.random.fold_in(key, 2))
        inner = make_task(preset, parts.y, parts.known, truth)
        if parts.validation is not None:
            inner = dip_jax.validate(inner, parts.validation)
        fed = parts.y
        if preset.task == "super_resolve":
            fed = jnp.asarray(enlarge(np.asarray(fed), preset.factor))
        return _fit(
            algorithm,
            dip_jax.through(window.crop, inner),
            key,
            functools.partial(make_input, preset, fed, window, parts.deviation),
            preset,
            window.crop,
            progress,
            f"{member + 1} of {preset.members}, " if preset.members > 1 else "",
            started if member == 0 else time.perf_counter(),
        )

    outcome = combined(fit, preset.members)
    raw = outcome.raw
    image = raw if known is None or not keep_known else known * y + (1 - known) * raw
    uncertainty = outcome.uncertainty
    if uncertainty is not None and known is not None and keep_known:
        uncertainty = uncertainty * (1 - known[:, :, 0])
    return outcome._replace(image=image, noise=model, uncertainty=uncertainty)


def _generator(kind: str, options: tuple[tuple[str, Any], ...], channels: int) -> Any:
    kinds = {"skip": dip_jax.Skip, "unet": dip_jax.UNet, "resnet": dip_jax.ResNet}
    return kinds[kind](channels=channels, **dict(options))


@functools.lru_cache(maxsize=32)
def _algorithm(preset: Preset, generator: Any, window: Window | None) -> Algorithm:
    """The algorithm of a preset; ``window`` where it pads the picture itself.

    Cached, because programs are compiled for the algorithm object.
    """
    optimizer = optax.flatten(optax.adam(_schedule(preset), b2=preset.b2))
    if window is None:
        fit = dip_jax.dip(generator, optimizer, jitter=preset.jitter)
    else:
        fit = dip_jax.recorrupted(generator, optimizer, alpha=preset.alpha, pad=window.pad)
    fit = dip_jax.measured(watch_outputs(fit, preset.stop))
    fit = dip_jax.measured(dip_jax.average(fit, preset.decay), "average_")
    return dip_jax.backtrack(stopped(fit, preset.stop))


def _schedule(preset: Preset) -> optax.ScalarOrSchedule:
    peak, final = preset.learning_rate, preset.final_learning_rate
    if not preset.warmup and final is None:
        return peak
    return optax.warmup_cosine_decay_schedule(
        init_value=peak / max(1, preset.warmup),
        peak_value=peak,
        warmup_steps=min(preset.warmup, preset.decay_steps - 1),
        decay_steps=preset.decay_steps,
        end_value=peak if final is None else final,
    )


def _fit(
    algorithm: Algorithm,
    task: Task,
    key: jax.Array,
    make_input: Any,
    preset: Preset,
    crop: Crop,
    progress: bool,
    label: str,
    started: float,
) -> Restoration:
    fit_key, z_key = jax.random.split(key)
    z = make_input(z_key)
    picture, traces = None, []
    compiled = started
    interrupted = False
    with tqdm(
        total=preset.steps, desc=f"{label}compiling", disable=not progress or sys.stderr is None
    ) as bar:

        def look(done: int, state: Any, trace: dict[str, np.ndarray]) -> None:
            nonlocal picture
            traces.append(trace)
            picture = np.asarray(crop(dip_jax.estimate(algorithm, state)))
            shown = {"loss": f"{trace['loss'][-1]:.2e}"}
            if "average_psnr" in trace:
                shown["psnr"] = f"{trace['average_psnr'][-1]:.2f}"
            bar.set_postfix(shown, refresh=False)
            bar.update(len(trace["loss"]))

        try:
            # The first step alone, so that the time it took to compile can be told apart.
            options = {"every": preset.every, "callback": look}
            state, _ = dip_jax.run(algorithm, fit_key, task, z, steps=1, **options)
            compiled = time.perf_counter()
            bar.set_description(f"{label}compiled in {compiled - started:.1f} s, restoring")
            bar.reset()
            bar.update(1)
            dip_jax.advance(algorithm, state, task, steps=preset.steps - 1, **options)
        except KeyboardInterrupt:
            interrupted = True
            if picture is None:
                raise
    assert picture is not None  # there is at least one step
    trace = {name: np.concatenate([t[name] for t in traces]) for name in traces[0]}
    return Restoration(
        image=picture,
        raw=picture,
        trace=trace,
        preset=preset,
        noise=None,
        uncertainty=None,
        members=1,
        compile_seconds=compiled - started,
        fit_seconds=time.perf_counter() - compiled,
        interrupted=interrupted,
    )
