"""A restoration's plan: its settings resolved once, its arrays checked once."""

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dip_jax.app.errors import UserError
from dip_jax.app.machine import programs
from dip_jax.app.recipe import (
    AUTO,
    AUTO_NOISE,
    RULES,
    TASKS,
    Arrays,
    Preset,
    Rule,
    build_algorithm,
    change,
    choose_rule,
    describe_program,
    find_preset,
    given_noise,
)
from dip_jax.app.restore.canvas import as_image
from dip_jax.base import Algorithm
from dip_jax.loop import Program
from dip_jax.noise import NoiseModel, Verdict, estimate_noise, identify_noise
from dip_jax.operators import Crop


class Plan(NamedTuple):
    """All that decides a restoration; nothing in it is left open."""

    preset: Preset
    rule: Rule
    noise: NoiseModel | None
    verdict: Verdict | None
    """What was found of the noise, where its kind was not given."""
    seed: int
    y: np.ndarray
    """The picture, float32 ``[h, w, c]``."""
    data: Arrays
    """The task's arrays."""
    reference: np.ndarray | None
    generator: Any
    algorithm: Algorithm
    program: Program

    @property
    def known(self) -> np.ndarray | None:
        """``[h, w, 1]``, 1 where the picture is known; None if all is."""
        return self.preset.task.known(self.data)

    @property
    def fit_data(self) -> Arrays:
        """The task's arrays that every tile shares."""
        names = {data.name for data in self.preset.task.data if not data.per_pixel}
        return {name: array for name, array in self.data.items() if name in names}

    def enlarge(self, crop: Crop) -> Crop:
        """Returns the part of the result that a part of the picture makes."""
        return Crop(*(self.preset.task.factor * value for value in crop))


def make_plan(
    picture: np.ndarray,
    *,
    task: str | None,
    preset: str | Preset,
    noise: str | NoiseModel,
    sigma: float | None,
    gain: float | None,
    reference: np.ndarray | None,
    seed: int,
    settings: Mapping[str, Any],
) -> Plan:
    """Resolves the settings of a restoration; the arguments are those of :func:`.restore`.

    Raises:
      UserError: a ValueError that names the argument, its value and the mend.
    """
    arrays, settings = _without_arrays(settings)
    preset = change(find_preset(preset, task) if isinstance(preset, str) else preset, **settings)
    spec = preset.task
    if task not in (None, spec.name):
        raise UserError("task", task, f"the preset is for {spec.name}")
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise UserError("seed", seed, "must be from 0 to 2**32 - 1")
    y = as_image("picture", picture)
    spec.check_picture(y)
    for name in arrays.keys() - {data.name for data in spec.data}:
        if arrays[name] is not None:
            raise UserError(name, "given", f"has no meaning for {spec.name}; drop it")
    data = spec.check_data(y, arrays)
    truth = None if reference is None else as_image("reference", reference)
    wanted = (y.shape[0] * spec.factor, y.shape[1] * spec.factor, y.shape[2])
    if truth is not None and truth.shape != wanted:
        raise UserError("reference", truth.shape, f"the restored picture's shape will be {wanted}")

    kind = noise if isinstance(noise, str) else noise.kind
    model = given_noise(kind, spec, sigma, gain) if isinstance(noise, str) else noise
    known = spec.known(data)
    given_sigma = verdict = None
    if model is not None and model.kind == "gaussian":
        given_sigma = float(model.level)
    method = preset.method.resolve(known, given_sigma)
    # A method that hides pixels may meet noise of another kind: no level is assumed for it.
    needs_level = preset.stop != AUTO and RULES[preset.stop].needs_noise
    if model is None and (method.feeds_noise or needs_level or spec.needs_noise):
        if kind == AUTO_NOISE and method.takes_correlated:
            verdict = identify_noise(y)
            model = verdict.noise
        else:
            model = estimate_noise(y, "gaussian" if kind == AUTO_NOISE else kind)
    if model is not None and method.feeds_picture:
        model = model.detect_clipping(y)
    if preset.counts.tile and not spec.tiles:
        raise UserError("tile", preset.counts.tile, f"{spec.name} needs the whole picture; take 0")
    pixels = y.shape[0] * y.shape[1] if known is None else int(known.sum())
    rule = choose_rule(preset.stop, spec, model, pixels)
    preset = preset.replace(task=spec.resolve(model), method=method, stop=rule.name)
    generator = preset.network.build(y.shape[2])
    return Plan(
        preset=preset,
        rule=rule,
        noise=model,
        verdict=verdict,
        seed=int(seed),
        y=y,
        data=data,
        reference=truth,
        generator=generator,
        algorithm=build_algorithm(preset, rule, generator),
        program=programs.cached_program(describe_program(preset, rule, generator)),
    )


def _without_arrays(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the tasks' arrays among the settings, and the others."""
    names = {data.name for task in TASKS.values() for data in task.data}
    return (
        {name: value for name, value in settings.items() if name in names},
        {name: value for name, value in settings.items() if name not in names},
    )
