"""From a picture and a preset to a restored picture: the public pieces, put together."""

import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm.auto import tqdm

import dip_jax
from dip_jax.app.degrade import enlarge
from dip_jax.app.errors import UserError
from dip_jax.app.presets import GENERATORS, INPUTS, Preset, find_preset, nearest
from dip_jax.base import Algorithm, Task
from dip_jax.operators import Crop

MAX_FACTOR = 16


class Restoration(NamedTuple):
    """What :func:`restore` returns."""

    image: np.ndarray
    """float32 ``[h, w, c]`` in [0, 1]."""
    raw: np.ndarray
    """The fit's own estimate, before known pixels were put back (inpainting)."""
    trace: dict[str, np.ndarray]
    """One value a step: ``loss``; with a reference, ``psnr`` of the iterate and
    ``average_psnr`` of the average; ``restores`` after a divergence."""
    preset: Preset
    """The settings in force."""
    compile_seconds: float
    """Until the first step was done."""
    fit_seconds: float
    """All other steps."""
    interrupted: bool


def restore(
    picture: np.ndarray,
    *,
    task: str = "denoise",
    mask: np.ndarray | None = None,
    factor: int = 4,
    sigma: float | None = None,
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
      task: "denoise", "reconstruct", "inpaint" or "super_resolve".
      mask: for inpainting, ``[h, w]`` or ``[h, w, 1]``: 1 (or True) known, 0 to be filled.
      factor: for super-resolution, from 2 to 16.
      sigma: noise level in 8-bit levels, if it is known.
      reference: the true picture, if it is known; reported, never fitted.
      preset: a name of ``dip-jax --list_presets``, or a preset of your own.
      seed: decides everything random.
      keep_known: for inpainting, whether known pixels are put back into the result.
      progress: whether a bar is shown.
      **changes: fields of :class:`~dip_jax.app.presets.Preset` to change, such as
        ``steps=200``.

    Raises:
      UserError: a ValueError that names the argument, its value and the mend.
    """
    if isinstance(preset, str):
        preset = find_preset(preset, task, flag="preset")
    preset = check_settings(preset._replace(**changes))
    y = as_image("picture", picture)
    truth = None if reference is None else as_image("reference", reference)
    known = None
    if task == "inpaint":
        if mask is None:
            raise UserError("mask", mask, "is needed for inpainting; give the known pixels")
        known = as_mask(mask, y)
    elif task == "super_resolve" and not 2 <= factor <= MAX_FACTOR:
        raise UserError("factor", factor, f"must be from 2 to {MAX_FACTOR}")
    seen = enlarge(y, factor) if task == "super_resolve" else y
    if truth is not None and truth.shape != seen.shape:
        raise UserError(
            "reference", truth.shape, f"the restored picture's shape will be {seen.shape}"
        )
    if (sigma or 0) >= 50 and preset.jitter_strong is not None:
        preset = preset._replace(jitter=preset.jitter_strong)

    algorithm, stride = _algorithm(preset, y.shape[2])
    window = _canvas(seen.shape[0], seen.shape[1], stride)
    inner = _task(task, y, known, factor, truth)
    outcome = _fit(
        algorithm,
        dip_jax.through(window.crop, inner),
        jax.random.key(seed),
        functools.partial(_input, preset, seen, window),
        preset,
        window.crop,
        progress,
    )
    raw = outcome.raw
    image = raw if known is None or not keep_known else known * y + (1 - known) * raw
    return outcome._replace(image=image)


def check_settings(preset: Preset, prefix: str = "") -> Preset:
    """Returns the preset, or raises a UserError for a value out of range."""
    if preset.steps < 1:
        raise UserError(f"{prefix}steps", preset.steps, "must be at least 1")
    if preset.every < 1:
        raise UserError(f"{prefix}every", preset.every, "must be at least 1")
    if preset.input not in INPUTS:
        raise UserError(
            f"{prefix}input",
            preset.input,
            "is unknown; " + nearest(preset.input, list(INPUTS)),
        )
    if preset.generator not in GENERATORS:
        known = nearest(preset.generator, list(GENERATORS))
        raise UserError(f"{prefix}generator", preset.generator, f"is unknown; {known}")
    return preset


def as_image(name: str, picture: np.ndarray) -> np.ndarray:
    """float32 ``[h, w, 1 | 3]`` in [0, 1], or a UserError."""
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or 0 in picture.shape:
        raise UserError(
            name,
            f"array of shape {picture.shape}",
            "must be [h, w], [h, w, 1] or [h, w, 3]",
        )
    if picture.dtype == np.uint8:
        return picture.astype(np.float32) / np.float32(255)
    if picture.dtype.kind != "f":
        raise UserError(
            name, f"array of {picture.dtype}", "must be uint8, or float in [0, 1]"
        )
    low, high = picture.min(), picture.max()
    if not (low >= 0 and high <= 1):  # so written, NaN is refused too
        raise UserError(
            name,
            f"array with values from {low} to {high}",
            "must be in [0, 1], without NaN",
        )
    return picture.astype(np.float32)


def as_mask(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """float32 ``[h, w, 1]`` of zeros and ones for ``image``, or a UserError."""
    mask = np.asarray(mask)
    if mask.ndim == 2:
        mask = mask[:, :, None]
    if mask.shape != (*image.shape[:2], 1):
        raise UserError(
            "mask", f"array of shape {mask.shape}", f"must be {(*image.shape[:2], 1)}"
        )
    if not np.isin(mask, (0, 1)).all():
        raise UserError(
            "mask", f"array of {mask.dtype}", "must hold 0 (fill) and 1 (known) only"
        )
    mask = mask.astype(np.float32)
    if mask.min() == mask.max():
        state = "missing" if mask.max() else "known"
        raise UserError(
            "mask", f"all {mask.max():g}", f"nothing is {state}; 1 is known, 0 fill"
        )
    return mask


class _Window(NamedTuple):
    height: int
    width: int
    crop: Crop


def _canvas(height: int, width: int, stride: int) -> _Window:
    """The generator's size for a picture: a multiple of the stride, the picture centred.

    The generator paints a canvas a little larger than the picture, on which nothing is asked
    of the margin: any size works and no pixel is counted twice. At least two pixels remain
    at the coarsest scale, where a single one would normalise to nothing.
    """
    tall, wide = (max(2, -(-size // stride)) * stride for size in (height, width))
    return _Window(
        tall, wide, Crop((tall - height) // 2, (wide - width) // 2, height, width)
    )


@functools.lru_cache(maxsize=32)
def _algorithm(preset: Preset, channels: int) -> tuple[Algorithm, int]:
    """The algorithm of a preset, and its generator's stride.

    Cached, because programs are compiled for the algorithm object.
    """
    kinds = {"skip": dip_jax.Skip, "unet": dip_jax.UNet, "resnet": dip_jax.ResNet}
    generator = kinds[preset.generator](channels=channels, **dict(preset.options))
    fit = dip_jax.dip(generator, optax.adam(_schedule(preset)), jitter=preset.jitter)
    fit = dip_jax.measured(dip_jax.average(dip_jax.measured(fit), preset.decay), "average_")
    return dip_jax.backtrack(fit), generator.stride


def _schedule(preset: Preset) -> optax.ScalarOrSchedule:
    peak, final = preset.learning_rate, preset.final_learning_rate
    if not preset.warmup and final is None:
        return peak
    return optax.warmup_cosine_decay_schedule(
        init_value=peak / max(1, preset.warmup),
        peak_value=peak,
        warmup_steps=min(preset.warmup, preset.steps - 1),
        decay_steps=preset.steps,
        end_value=peak if final is None else final,
    )


def _task(
    task: str,
    y: np.ndarray,
    known: np.ndarray | None,
    factor: int,
    truth: np.ndarray | None,
) -> Task:
    reference = None if truth is None else jnp.asarray(truth)
    observed = jnp.asarray(y)
    if task == "inpaint":
        return dip_jax.inpaint(observed, jnp.asarray(known), reference=reference)
    if task == "super_resolve":
        return dip_jax.super_resolve(observed, factor, reference=reference)
    build = {"denoise": dip_jax.denoise, "reconstruct": dip_jax.reconstruct}[task]
    return build(observed, reference=reference)


def _input(preset: Preset, seen: np.ndarray, window: _Window, key: jax.Array) -> jax.Array:
    height, width, crop = window
    if preset.input == "meshgrid":
        return dip_jax.inputs.meshgrid(height, width)
    if preset.input == "noise":
        return dip_jax.inputs.uniform(key, height, width, preset.depth)
    below, right = height - crop.top - crop.height, width - crop.left - crop.width
    margins = ((crop.top, below), (crop.left, right), (0, 0))
    return jnp.asarray(np.pad(seen, margins, mode="reflect"))


def _fit(
    algorithm: Algorithm,
    task: Task,
    key: jax.Array,
    make_input: Any,
    preset: Preset,
    crop: Crop,
    progress: bool,
) -> Restoration:
    fit_key, z_key = jax.random.split(key)
    z = make_input(z_key)
    picture, traces = None, []
    compiled = started = time.perf_counter()
    interrupted = False
    with tqdm(total=preset.steps, desc="compiling", disable=not progress) as bar:

        def look(done: int, state: Any, trace: dict[str, np.ndarray]) -> None:
            nonlocal picture
            picture = np.asarray(crop(dip_jax.estimate(algorithm, state)))
            traces.append(trace)
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
            bar.set_description(f"compiled in {compiled - started:.1f} s, restoring")
            bar.reset()
            bar.update(1)
            dip_jax.advance(algorithm, state, task, steps=preset.steps - 1, **options)
        except KeyboardInterrupt:
            interrupted = True
            if picture is None:
                raise
    trace = {name: np.concatenate([t[name] for t in traces]) for name in traces[0]}
    return Restoration(
        image=picture,
        raw=picture,
        trace=trace,
        preset=preset,
        compile_seconds=compiled - started,
        fit_seconds=time.perf_counter() - compiled,
        interrupted=interrupted,
    )
