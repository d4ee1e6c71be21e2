"""What most benchmarks time: the compiled step of a preset's fit, on a synthetic picture."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.presets import find_preset
from dip_jax.app.settings import Preset


class Subject(NamedTuple):
    """A fit of a picture, ready to be compiled."""

    generator: dip_jax.Skip
    algorithm: dip_jax.Algorithm
    task: dip_jax.Task
    z: jax.Array
    example: jax.Array
    """An input of the generator."""


def preset_named(name: str, flag: str) -> Preset:
    """The preset of that name for denoising.

    Raises:
      UserError: if there is none.
    """
    return find_preset(name, "denoise", flag=flag)


def subject_of(preset: Preset, size: int) -> Subject:
    """The fit of a preset for denoising, to a random picture ``[size, size, 3]``.

    Its network, method, average, backtracking and score are those of ``dip-jax``; the learning
    rate is constant, and nothing is held out or stops it, which costs a step nothing.

    Raises:
      UserError: for a preset of another method.
    """
    if preset.extra:
        raise UserError("--preset", preset.name, "is of a method that is not timed here")
    generator = dip_jax.Skip(**dict(preset.options))
    flat = dip_jax.Flat(generator)
    adam = optax.adam(preset.learning_rate, b2=preset.b2)
    y = jax.random.uniform(jax.random.key(1), (size, size, 3))
    if preset.alpha:
        fit = dip_jax.recorrupted(flat, adam, alpha=preset.alpha, clipped=True)
        z, example = jnp.concatenate([y, jnp.full(y.shape, 0.1), 0 * y], axis=2), y
    else:
        fit = dip_jax.dip(flat, adam, jitter=preset.jitter)
        z = example = dip_jax.inputs.uniform(jax.random.key(2), size, size, preset.depth)
    fit = dip_jax.backtrack(dip_jax.measured(dip_jax.average(fit, preset.decay)))
    return Subject(generator, fit, dip_jax.denoise(y, reference=y), z, example)


def check_size(flag: str, size: int, preset: Preset) -> None:
    """Refuses what the preset's network cannot take unpadded.

    Raises:
      UserError: for such a size.
    """
    stride = dip_jax.Skip(**dict(preset.options)).stride
    if size % stride:
        raise UserError(flag, size, f"must be a multiple of {stride} for {preset.name}")


def jit(function: Callable, **options: Any) -> Any:
    """``jax.jit`` with the options that the loop compiles with."""
    chosen = dip_jax.compilation.compiler_options(jax.default_backend())
    return jax.jit(function, compiler_options=chosen, **options)


def step_of(algorithm: dip_jax.Algorithm) -> Any:
    """The fit's step by itself, ``(state, task) -> (state, record)``; no loop around it."""

    def step(state: Any, task: dip_jax.Task) -> tuple[Any, dict[str, jax.Array]]:
        state, info = algorithm.step(state, task)
        return state, {"loss": info.loss, **info.metrics}

    return jit(step, donate_argnums=0)


def initial_state(subject: Subject, seed: int = 0) -> Any:
    """Where the fit starts."""
    key = jax.random.key(seed)
    return dip_jax.run(subject.algorithm, key, subject.task, subject.z, steps=0)[0]
