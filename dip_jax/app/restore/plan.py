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
    CAMERA_NOISE,
    MOST_HIDDEN,
    PRESETS,
    RULES,
    TASKS,
    Arrays,
    Method,
    Preset,
    Rule,
    TaskSpec,
    build_algorithm,
    build_generator,
    change,
    choose_rule,
    describe_program,
    find_preset,
    given_noise,
)
from dip_jax.app.restore.canvas import as_image
from dip_jax.app.restore.span import Span, find_span
from dip_jax.base import Algorithm
from dip_jax.loop import Program
from dip_jax.noise import NoiseModel, Verdict, camera_noise, estimate_noise, identify_noise
from dip_jax.operators import Crop


class Plan(NamedTuple):
    """Everything that decides a restoration, fully resolved."""

    preset: Preset
    rule: Rule
    noise: NoiseModel | None
    verdict: Verdict | None
    """What was found about the noise, if its kind was not given."""
    seed: int
    picture: np.ndarray
    """As given, float32 ``[h, w, c]`` in [0, 1]."""
    span: Span
    """The range in which it is fitted."""
    y: np.ndarray
    """The picture, with that range stretched to [0, 1]; black where it is unknown."""
    strength: float
    """How much of the change to the picture is applied, in percent."""
    data: Arrays
    """The task's arrays."""
    reference: np.ndarray | None
    warm: bool
    """Whether another picture can continue from this one, or this one from another."""
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
    part: Crop | None,
    warm: bool,
    settings: Mapping[str, Any],
) -> Plan:
    """Resolves the settings of a restoration; the arguments are those of :func:`.restore`.

    Raises:
      UserError: a ValueError that names the argument, its value and the fix.
    """
    arrays, settings = _without_arrays(settings)
    preset = change(find_preset(preset, task) if isinstance(preset, str) else preset, **settings)
    spec = preset.task
    if task not in (None, spec.name):
        raise UserError("task", task, f"the preset is for {spec.name}")
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise UserError("seed", seed, "must be from 0 to 2**32 - 1")
    picture = as_image("picture", picture)
    kind = noise if isinstance(noise, str) else noise.kind
    span = find_span(picture, from_black=kind == "poisson" or gain is not None)
    y = span.enter(picture)
    spec.check_picture(y)
    for name in arrays.keys() - {data.name for data in spec.data}:
        if arrays[name] is not None:
            raise UserError(name, "given", f"has no meaning for {spec.name}; drop it")
    data = spec.check_data(y, arrays)
    truth = None if reference is None else as_image("reference", reference)
    wanted = (y.shape[0] * spec.factor, y.shape[1] * spec.factor, y.shape[2])
    if truth is not None and truth.shape != wanted:
        raise UserError("reference", truth.shape, f"the restored picture's shape will be {wanted}")
    truth = None if truth is None else span.enter(truth)

    model = given_noise(kind, spec, sigma, gain) if isinstance(noise, str) else noise
    if model is not None and not span.whole:
        model = model.rescale(*span)
    known = spec.known(data)
    given_sigma = verdict = None
    if model is not None and model.kind == "gaussian":
        given_sigma = float(model.level)
    method = preset.method.resolve(known, given_sigma)
    model = _measure_camera(y, kind, model, method)
    # A method that hides pixels may meet noise of another kind: no level is assumed for it.
    needs_level = preset.stop != AUTO and RULES[preset.stop].needs_noise
    refines = spec.needs_noise and not method.hides_pixels
    if model is None and (method.feeds_noise or needs_level or refines):
        # What only refines the result takes noise of any kind, if each value is one pixel's.
        refines &= spec.measures_pixels and not method.feeds_noise
        any_kind = method.takes_correlated or refines
        model, verdict = _find_noise(y, kind, span, any_kind=any_kind)
        if verdict is not None and verdict.known is not None and spec.filler:
            return _plan_filling(picture, verdict, preset, reference, seed, part)
    if model is not None and method.feeds_picture:
        model = model.detect_clipping(y)
    method = method.adapt(model)
    if part is not None:
        picture, y, truth, data = _cut(part, spec, picture, y, truth, data)
        known = spec.known(data)
    if preset.counts.tile and not spec.tiles:
        raise UserError("tile", preset.counts.tile, f"{spec.name} needs the whole picture; take 0")
    counts = preset.counts.resolve(y[:, :, 0].size, tiles=spec.tiles)
    pixels = y.shape[0] * y.shape[1] if known is None else int(known.sum())
    rule = choose_rule(preset.stop, spec, model, pixels)
    preset = preset.replace(task=spec.resolve(model), method=method, stop=rule.name, counts=counts)
    return Plan(
        preset=preset,
        rule=rule,
        noise=model,
        verdict=verdict,
        seed=int(seed),
        picture=picture,
        span=span,
        y=y,
        strength=preset.strength,
        data=data,
        reference=truth,
        warm=warm,
        **_build(preset, rule, y.shape[2], warm=warm),
    )


def with_tile(plan: Plan, tile: int) -> Plan:
    """Returns the plan with tiles of this side, 0 for none, and the network that they need."""
    preset = plan.preset.replace(counts=plan.preset.counts.replace(tile=tile))
    built = _build(preset, plan.rule, plan.y.shape[2], warm=plan.warm)
    return plan._replace(preset=preset, **built)


def _build(preset: Preset, rule: Rule, channels: int, *, warm: bool) -> dict[str, Any]:
    """Returns the fields of a plan that follow from its settings."""
    generator = build_generator(preset, channels, warm=warm)
    return {
        "generator": generator,
        "algorithm": build_algorithm(preset, rule, generator),
        "program": programs.cached_program(describe_program(preset, rule, generator)),
    }


def _cut(
    part: Crop,
    task: TaskSpec,
    picture: np.ndarray,
    y: np.ndarray,
    truth: np.ndarray | None,
    data: Arrays,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Arrays]:
    """Returns a part of all arrays.

    Raises:
      UserError: if there is no such part, or it can't be restored by itself.
    """
    words = f"{part.width}x{part.height} pixels"
    if not task.tiles:
        raise UserError("part", words, f"{task.name} needs the whole picture; drop it")
    if min(part) < 0 or 0 in part[2:] or part(y).shape[:2] != (part.height, part.width):
        raise UserError("part", words, f"must lie in the picture, {y.shape[1]}x{y.shape[0]}")
    per_pixel = {each.name for each in task.data if each.per_pixel}
    data = {name: part(array) if name in per_pixel else array for name, array in data.items()}
    known = task.known(data)
    if known is not None and not known.any():
        raise UserError("part", words, "lies in a hole, with no known pixel; take another")
    if truth is not None:
        truth = Crop(*(task.factor * value for value in part))(truth)
    return part(picture), part(y), truth, data


def _find_noise(
    y: np.ndarray, kind: str, span: Span, *, any_kind: bool
) -> tuple[NoiseModel, Verdict | None]:
    """Returns the picture's noise, and the verdict on it if its kind had to be found."""
    if kind in (AUTO_NOISE, CAMERA_NOISE) and any_kind:
        hidden = MOST_HIDDEN / (span.high - span.low) if kind == CAMERA_NOISE else 0.0
        verdict = identify_noise(y, hidden)
        return verdict.noise, verdict
    return estimate_noise(y, "gaussian" if kind == AUTO_NOISE else kind), None


def _measure_camera(
    y: np.ndarray, kind: str, given: NoiseModel | None, method: Method
) -> NoiseModel | None:
    """Returns the noise that was given, a camera's measured; None if its level is to be found."""
    if kind != CAMERA_NOISE:
        return given
    if not method.takes_correlated:
        problem = (
            f"may be correlated, which {method.name} does not take; drop it, or use preset=fast"
        )
        raise UserError("noise", CAMERA_NOISE, problem)
    if given is None:
        return None
    try:
        return camera_noise(y, float(given.level))
    except ValueError as error:
        raise UserError("noise", CAMERA_NOISE, f"{error}; use --noise=gaussian") from error


def _plan_filling(
    picture: np.ndarray,
    verdict: Verdict,
    preset: Preset,
    reference: np.ndarray | None,
    seed: int,
    part: Crop | None,
) -> Plan:
    """Returns the plan for a picture with impulses: they are unknown pixels, to be filled.

    The preset of the same name for that task is taken, with the counts in force; but windows around
    holes do not continue from each other. The other pixels stay, unless they have noise too.
    """
    task = preset.task.filler
    named = any(other.name == preset.name and other.task.name == task for other in PRESETS)
    filling = find_preset(preset.name if named else "fast", task)
    noisy = bool(verdict.noise.level)
    assert verdict.known is not None
    plan = make_plan(
        picture * verdict.known,
        task=task,
        preset=change(
            filling,
            counts=preset.counts.replace(later_steps=0),
            decay_steps=preset.optimizer.decay_steps,
            keep_known=not noisy,
            **preset.task.filler_settings,
        ),
        noise=AUTO_NOISE,
        sigma=None,
        gain=None,
        reference=reference,
        seed=seed,
        part=part,
        warm=False,  # what its holes need depends on them
        settings={"mask": verdict.known},
    )
    picture = picture if part is None else part(picture)
    # Not the preset's: of known holes, no part of the change could be applied.
    return plan._replace(verdict=verdict, picture=picture, strength=preset.strength)


def _without_arrays(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the tasks' arrays among the settings, and the others."""
    names = {data.name for task in TASKS.values() for data in task.data}
    return (
        {name: value for name, value in settings.items() if name in names},
        {name: value for name, value in settings.items() if name not in names},
    )
