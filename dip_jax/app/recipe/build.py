"""From a preset to its algorithm: the library's public pieces, put together."""

import functools
from typing import Any

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods import Method
from dip_jax.app.recipe.optimizer import Adam
from dip_jax.app.recipe.preset import Preset
from dip_jax.app.recipe.rules import Rule
from dip_jax.base import Algorithm, Image, Scalar


def build_generator(preset: Preset, channels: int, *, warm: bool) -> Any:
    """Returns the network for pictures with that number of channels.

    A fit that continues from another tile or picture takes brightness and contrast from its input,
    which saves a third of the steps.

    Args:
      preset: the settings.
      channels: of the picture.
      warm: whether pictures continue from each other.

    Raises:
      UserError: if they do, and the preset has no steps for that.
    """
    network = preset.network.build(channels)
    counts = preset.counts
    if warm and not counts.later_steps:
        problem = "needs later_steps above 0, which these settings lack; add later_steps=100"
        raise UserError("warm_start", "given", problem)
    continues = warm or bool(counts.tile and counts.later_steps)
    return dip_jax.Matched(network) if continues and preset.method.feeds_noise else network


def build_algorithm(preset: Preset, rule: Rule, generator: Any) -> Algorithm:
    """Returns the algorithm; the same object for presets of the same program."""
    return _algorithm(*program_key(preset, rule, generator))


def describe_program(preset: Preset, rule: Rule, generator: Any) -> str:
    """Returns text that identifies the algorithm in any process."""
    return repr(program_key(preset, rule, generator))


def program_key(preset: Preset, rule: Rule, generator: Any) -> tuple:
    """Returns all that decides the compiled program of a fit; the rest is data, or for the host."""
    # Where the generator does not learn from the picture, total variation is part of the task.
    penalty = preset.tv if preset.method.feeds_picture else 0.0
    return (
        generator,
        preset.method,
        preset.optimizer,
        preset.average_decay,
        rule,
        penalty,
    )


@functools.lru_cache(maxsize=32)
def _algorithm(
    generator: Any, method: Method, optimizer: Adam, decay: float, rule: Rule, tv: float
) -> Algorithm:
    penalty = functools.partial(_penalize_variation, tv) if tv else None
    fit = method.build(dip_jax.Flat(generator), optimizer.build(), penalty)
    fit = dip_jax.measured(rule.watch(fit))
    fit = dip_jax.measured(dip_jax.average(fit, decay), "average_")
    return dip_jax.backtrack(rule.stop(fit, method.patience), **method.guard)


def _penalize_variation(weight: float, image: Image) -> Scalar:
    """Returns ``weight`` times the mean total variation of the canvas."""
    return weight * dip_jax.metrics.total_variation(image) / image.size
