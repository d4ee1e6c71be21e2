"""The subject of most benchmarks: the compiled step of a preset's fit to a synthetic picture."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import dip_jax
from dip_jax.app import UserError
from dip_jax.app.recipe import Plain, Preset, Recorrupted, find_preset
from dip_jax.compilation import jit_for


class Subject(NamedTuple):
    """A fit to a picture, ready to compile."""

    generator: dip_jax.Skip
    algorithm: dip_jax.Algorithm
    task: dip_jax.Task
    z: jax.Array
    example: jax.Array
    """An input to the generator."""


def find_denoising_preset(name: str, flag: str) -> Preset:
    """Finds the denoising preset of that name.

    Raises:
      UserError: if there is none.
    """
    try:
        return find_preset(name, "denoise")
    except UserError as error:
        raise UserError(flag, error.value, error.problem_and_mend) from error


def make_subject(preset: Preset, size: int) -> Subject:
    """Makes the fit of a denoising preset to a random picture ``[size, size, 3]``.

    Network, method, average, backtracking and score are those of ``dip-jax``. The learning rate is
    constant, no data are held out, and no rule stops the fit; none of these changes a step's cost.

    Raises:
      UserError: if the preset has an extra method.
    """
    generator, method = preset.network.build(3), preset.method
    if not isinstance(method, Plain | Recorrupted):
        raise UserError("--preset", preset.name, "has a method that is not timed here")
    adam = optax.adam(preset.optimizer.learning_rate, b2=preset.optimizer.adam_b2)
    y = jax.random.uniform(jax.random.key(1), (size, size, 3))
    fit = method.build(dip_jax.Flat(generator), adam, None)
    if isinstance(method, Recorrupted):
        z, example = dip_jax.NoisyInput(y, jnp.full(y.shape, 0.1), 0 * y), y
    else:
        z = example = dip_jax.inputs.uniform(jax.random.key(2), size, size, method.depth)
    fit = dip_jax.backtrack(dip_jax.measured(dip_jax.average(fit, preset.average_decay)))
    return Subject(generator, fit, dip_jax.denoise(y, reference=y), z, example)


def find_fixed_input(preset: Preset) -> Plain:
    """Returns the preset's method if it fits a fixed input, else one for the same network."""
    method = preset.method
    return method if isinstance(method, Plain) else Plain(depth=16, jitter=0.01)


def check_size(flag: str, size: int, preset: Preset) -> None:
    """Checks that the preset's network takes the size without padding.

    Raises:
      UserError: if it does not.
    """
    stride = preset.network.build(3).stride
    if size % stride:
        raise UserError(flag, size, f"must be a multiple of {stride} for {preset.name}")


def jit(function: Callable, **options: Any) -> Any:
    """``jax.jit`` with the options that the loop compiles with."""
    return jit_for(jax.default_backend(), function, **options)


def make_step(algorithm: dip_jax.Algorithm) -> Any:
    """Compiles the fit's step alone, ``(state, task) -> (state, record)``, without a loop."""

    def step(state: Any, task: dip_jax.Task) -> tuple[Any, dict[str, jax.Array]]:
        state, info = algorithm.step(state, task)
        return state, {"loss": info.loss, **info.metrics}

    return jit(step, donate_argnums=0)


def make_state(subject: Subject, seed: int = 0) -> Any:
    """Makes the fit's initial state."""
    key = jax.random.key(seed)
    return dip_jax.run(subject.algorithm, key, subject.task, subject.z, steps=0)[0]
