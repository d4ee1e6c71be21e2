"""From a preset to its network and its algorithm: the public pieces, put together."""

import functools
import math
from typing import Any

import optax

import dip_jax
from dip_jax import filling
from dip_jax.app.settings import Preset
from dip_jax.app.stopping import stopped, watch_outputs
from dip_jax.base import Algorithm, Image, Scalar


def generator_of(preset: Preset, channels: int) -> Any:
    """The preset's network, for pictures of so many channels."""
    kinds = {
        "skip": dip_jax.Skip,
        "unet": dip_jax.UNet,
        "resnet": dip_jax.ResNet,
        "deep_decoder": dip_jax.DeepDecoder,
        "conv_decoder": dip_jax.ConvDecoder,
    }
    return kinds[preset.generator](channels=channels, **dict(preset.options))


def algorithm_of(preset: Preset, generator: Any) -> Algorithm:
    """The preset's algorithm; the same object for presets of the same program."""
    return _algorithm(_decisive(preset), generator)


def description_of(preset: Preset, generator: Any) -> str:
    """Tells the preset's algorithm from all others, in any process."""
    return repr((_decisive(preset), generator))


def _decisive(preset: Preset) -> Preset:
    """The preset without the fields that change no program, else they would compile another."""
    return preset._replace(
        **dict.fromkeys(("name", "source", "expected"), ""),
        task=preset.task if preset.hide else "",
        **dict.fromkeys(
            ("steps", "every", "depth", "factor", "lobes", "missing", "members", "tile"), 0
        ),
        tv=preset.tv if preset.fed else 0.0,
    )


@functools.lru_cache(maxsize=32)
def _algorithm(preset: Preset, generator: Any) -> Algorithm:
    optimizer = optax.adam(_schedule(preset), b2=preset.b2)
    generator = dip_jax.Flat(generator)
    penalty = functools.partial(_variation, preset.tv) if preset.tv else None
    if preset.hide:
        guess = filling.interpolate if preset.task == "inpaint" else None  # noise would spoil it
        fit = dip_jax.blind_spot(
            generator, optimizer, hide=preset.hide, guess=guess, penalty=penalty
        )
    elif preset.alpha:
        fit = dip_jax.recorrupted(
            generator, optimizer, alpha=preset.alpha, clipped=True, penalty=penalty
        )
    elif preset.extra:
        fit = dip_jax.sure(generator, optimizer, extra=preset.extra, clipped=True, penalty=penalty)
    else:
        fit = dip_jax.dip(generator, optimizer, jitter=preset.jitter)
    fit = dip_jax.measured(watch_outputs(fit, preset.stop))
    fit = dip_jax.average(fit, preset.decay)
    fit = dip_jax.measured(fit, "average_")
    return dip_jax.backtrack(stopped(fit, preset), **_guard(preset))


def _guard(preset: Preset) -> dict[str, Any]:
    """What a divergence is told by."""
    if preset.hide:  # few pixels make up a step's loss
        return {"smoothing": 0.95}
    # Stein's estimate comes near 0, and below: its ratio to an earlier one says nothing.
    return {"drop": math.inf} if preset.extra else {}


def _variation(weight: float, image: Image) -> Scalar:
    """``weight`` times the mean total variation of the canvas."""
    return weight * dip_jax.metrics.total_variation(image) / image.size


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
