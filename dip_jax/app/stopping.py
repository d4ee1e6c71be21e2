"""When to stop: rules by name, the data they set aside, and what they wrap around a fit.

* ``held_out``: a few pixels are left out of the fit and compared with. For all tasks whose
  noise is independent from pixel to pixel, and those without noise. It needs no noise level
  and no Gaussian noise: "auto" for denoising and inpainting. A small picture to be enlarged
  has no pixel to spare (0.6 dB on a zebra).
* ``r2r``: two copies of a noisy picture with independent noises, one fitted, one compared
  with. For denoising where the noise level is told or estimated. It chooses as well as
  held-out pixels do (36 fits each: 0.20 and 0.19 dB lost at worst), but a level told too low
  deceives it, and so does noise that goes from pixel to pixel: the copies share what was not
  told.
* ``wmv``, ``emv``: when the outputs start to move again. For all tasks and presets, less sure.
* ``discrepancy``: once the picture is as far from the data as the noise is.
* ``none``: after as many steps as the preset or the user says.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax import clipping, splitting
from dip_jax.app.errors import UserError
from dip_jax.app.noise import Noise, lively, measured
from dip_jax.app.problem import Problem, make_task
from dip_jax.app.settings import Preset
from dip_jax.base import Algorithm, Array, Info, Scalar, Task

AUTO = {
    "denoise": "held_out",
    "reconstruct": "none",
    "inpaint": "held_out",
    "super_resolve": "none",
}
HELD_OUT = 0.03  # share of the known pixels of an inpainting
LEAST_PIXELS = 1024  # of which so few are held out that they say little
# A sixth of the steps at most is taken past the best one, but 50 in any case.
PATIENCE: dict[str, Any] = {"patience": 1 / 6, "at_least": 50}
# A fit that hides pixels from itself overfits late if at all, and its held-out error may stand
# still for fifty steps before it falls again.
HIDING_PATIENCE: dict[str, Any] = {"patience": 1 / 2, "at_least": 200}
WINDOW = 100  # images of wmv; one strange output is felt as long
LEAST_NOISE = 0.1  # 8-bit levels of deviation, at white; less than a file's own rounding
WARM_UP = 100  # steps during which outputs hardly move for another reason


class Parts(NamedTuple):
    """What is fitted, and what validates."""

    y: Array
    known: Array
    """1 where ``y`` counts, 0 elsewhere."""
    deviation: Array | None
    """Standard deviation of the noise of ``y``, of its shape and units, if known; before it was
    clipped, where the generator is fed what was cut off."""
    cut: Array | None
    """Where it was cut off, likewise; see :func:`dip_jax.clipping.cut_off`."""
    validation: Task | None = None


def rule_for(preset: Preset, noise: Noise | None, pixels: int) -> str:
    """The rule that ``preset.stop`` means.

    Args:
      preset: with its task.
      noise: of the picture, if known.
      pixels: of the picture, as far as they are known.

    Raises:
      UserError: if the rule needs a noise level and that is 0, or more pixels.
    """
    enough, noisy = pixels >= LEAST_PIXELS, noise is not None and _at(255, noise) >= LEAST_NOISE
    if preset.stop == "auto":
        return AUTO[preset.task] if enough else "none"
    if preset.stop in ("r2r", "discrepancy") and not noisy:
        problem = f"needs noise of at least {LEAST_NOISE} levels; give its level, or take none"
        raise UserError("stop", preset.stop, problem)
    if preset.stop == "held_out" and not enough:
        problem = f"needs at least {LEAST_PIXELS} known pixels and has {pixels}; take none"
        raise UserError("stop", preset.stop, problem)
    return preset.stop


def _at(brightness: float, noise: Noise) -> float:
    """The noise's standard deviation there; both in 8-bit levels."""
    return float(noise.level if noise.kind == "gaussian" else (brightness * noise.level) ** 0.5)


def partition(preset: Preset, problem: Problem, noise: Noise | None, key: Array) -> Parts:
    """Sets data aside as the rule ``preset.stop`` needs it; "auto" is no rule."""
    rule = preset.stop
    kind, level, clipped = noise or (None, 0.0, False)
    # Of an inpainting any known pixel is held out, else one of each square.
    at_random, holes = preset.task == "inpaint", preset.task == "inpaint" or bool(preset.hide)
    data = (problem.y, problem.known, problem.mirror)
    spacing = _spacing(problem.y, noise) if rule == "held_out" else 0
    plan = (rule, kind, clipped, spacing, at_random, holes, preset.fed_noise)
    y1, known1, deviation, cut, other, weight = _split(*plan, data, level, key)
    parts = Parts(y1, known1, deviation, cut)
    if rule in ("r2r", "held_out"):
        validation = make_task(preset, other, weight)
        if rule == "held_out" and preset.fed_noise:
            # By the same program where nothing was clipped.
            assert noise is not None
            validation = dip_jax.precompose(Partial(measured, noise.clip_law()), validation)
        return parts._replace(validation=validation)
    if rule == "discrepancy":
        # In units of the noise, and so weighted that the mean is over what counts.
        unit = jnp.maximum(deviation, LEAST_NOISE / 255) * jnp.sqrt(jnp.mean(weight))
        task = dip_jax.observe(Partial(_in_units, unit), other / unit, known=weight)
        return parts._replace(validation=task)
    return parts


# As one program: so many operations by themselves would take seconds to compile.
@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5, 6))
def _split(
    rule: str,
    kind: str | None,
    clipped: bool,
    spacing: int,
    at_random: bool,
    holes: bool,
    fed_noise: bool,
    data: tuple[Array, Array, Array],
    level: Array,
    key: Array,
) -> tuple[Array, Array, Array | None, Array | None, Array, Array]:
    """What is fitted and its weights, its noise; what is compared with and its weights."""
    y, known, mirror = data
    noise = None if kind is None else Noise(kind, level, clipped)
    weight = known if noise is None else known * measured_whole(y, noise)
    y1, other = y, y
    more = 1.0
    if rule == "r2r":
        assert noise is not None
        alpha = split_share(*y.shape[:2])
        deviation = noise.deviation(y)
        if fed_noise:  # whose validation is to know nothing of clipping, as the fit
            deviation, cut = noise.before_clipping(y)
            y = clipping.redraw(jax.random.fold_in(key, 1), y, deviation, cut)
        if kind == "poisson":
            y1, other = splitting.thin(key, y, level / 255, alpha)
        else:
            y1, other = splitting.recorrupt(key, y, deviation, alpha)
        more = (1 - alpha) ** -0.5
    elif rule == "held_out":
        if at_random:
            held = known * jax.random.bernoulli(key, HELD_OUT, known.shape)
        else:
            held = known * splitting.hold_out(key, *y.shape[:2], spacing=spacing)
        # In the margins too, which repeat the picture: a value would come back from there.
        there = held.reshape(-1, 1)[mirror]
        y1 = y * (1 - held) if holes else splitting.fill(y, there)
        known = known - held
        # So weighted that the error is a mean over the held-out values.
        weight = held / jnp.sqrt(jnp.mean(held))
    # Margins repeat what is fitted, or the network would see there what was set aside.
    y1 = y1.reshape(-1, y.shape[2])[mirror]
    deviation = cut = None
    if noise is not None:
        if fed_noise and rule == "r2r":  # drawn again already
            noise = noise._replace(clipped=False)
        if fed_noise:
            deviation, cut = noise.before_clipping(y1)
        else:
            deviation = noise.deviation(y1)
        deviation = more * deviation
    return y1, known, deviation, cut, other, weight


def _spacing(y: np.ndarray, noise: Noise | None) -> int:
    """One pixel of each square of so many is held out of ``y [h, w, c]``.

    That is 2 % of 128x128, 1 % of 256x256. What is held out is missed by the fit (0.1 dB for
    2 %), and large pictures need a smaller share for as sure a choice; so half the share for
    four times the pixels. Of strong noise three times as much: it hides more from the choice, and
    a wrong one costs more, while neighbours know a pixel as well as its own noisy value does.
    """
    # Few different ones: for each, _split is compiled.
    spacing = 7
    if noise is not None:
        level = max(_at(255 * float(jnp.mean(y)), noise), 25)
        spacing = max(round(7 * (25 / level) ** 0.75), 4)  # 4 for sigma 50
    return max(3, round(spacing * (y.shape[0] * y.shape[1] / 128**2) ** 0.25))


def split_share(height: int, width: int) -> float:
    """``alpha`` of the split of a canvas in two: so much more of the noise's power is fitted.

    0.03 for 128x128, which costs 0.07 dB at sigma 15; as for what is held out, half for four
    times the pixels.
    """
    return min(0.1, 0.03 * (height * width / 128**2) ** -0.5)


def measured_whole(y: Array, noise: Noise) -> Array:
    """1 where the noise is as its model says, 0 where there is none or it was cut off.

    A Poisson variable is 0 by rights. Where hardly anything is left, all counts.
    """
    if noise.clipped:
        return lively(y, black=noise.kind == "gaussian")
    whole = y < 1
    if noise.kind == "gaussian":
        whole = whole & (y > 0)
    return (whole | (jnp.mean(whole) < 0.1)).astype(y.dtype)


def _in_units(unit: Array, image: Array) -> Array:
    return image / unit


def watch_outputs(algorithm: Algorithm, rule: str) -> Algorithm:
    """Around the bare fit: adds the scores that are taken of single outputs."""
    if rule == "wmv":
        return dip_jax.windowed_variance(algorithm, WINDOW)
    return dip_jax.moving_variance(algorithm) if rule == "emv" else algorithm


def stopped(algorithm: Algorithm, preset: Preset) -> Algorithm:
    """Around the averaged fit: ends it by the preset's rule and keeps the picture chosen."""
    rule = preset.stop
    if rule in ("r2r", "held_out"):
        filling = preset.task == "inpaint" and preset.hide
        patience = HIDING_PATIENCE if filling else PATIENCE
        return dip_jax.stop(dip_jax.validated(algorithm), _validation, **patience)
    if rule == "discrepancy":
        return dip_jax.until(
            dip_jax.validated(algorithm), lambda info: info.metrics["validation"] <= 1
        )
    if rule in ("wmv", "emv"):
        patience = PATIENCE | ({"at_least": 2 * WINDOW} if rule == "wmv" else {})
        return dip_jax.stop(algorithm, _variance, start=WARM_UP, smoothing=0.0, **patience)
    return algorithm


def _validation(info: Info) -> Scalar:
    return info.metrics["validation"]


def _variance(info: Info) -> Scalar:
    return info.metrics["variance"]
