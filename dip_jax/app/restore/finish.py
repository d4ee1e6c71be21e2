"""The steps that finish a restoration after its fits: one list, in order."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dip_jax.app.recipe import Arrays, Measured, Preset
from dip_jax.app.restore.canvas import Problem
from dip_jax.app.restore.plan import Plan
from dip_jax.app.restore.result import Restoration
from dip_jax.compilation import jit
from dip_jax.noise import (
    NoiseModel,
    blend_unseen_pixels,
    clipped_mean,
    invert_clipped_mean,
)

_WORSE = 1.25  # times as far from the picture as its blur: noise alone makes both alike
_invert_clipped_mean = jit(invert_clipped_mean)  # as one program
_clipped_mean = jit(clipped_mean)


class Scene(NamedTuple):
    """What the finishing steps know."""

    preset: Preset
    noise: NoiseModel | None
    y: np.ndarray
    """The picture, as measured."""
    data: Arrays
    """The task's arrays, for the picture."""
    problem: Problem | None = None
    """A tile on its canvas, for its steps."""
    held: np.ndarray | None = None
    """``[h, w, 1]``, 1 where a fit did not see a known value of the canvas, for its steps."""
    given: np.ndarray | None = None
    """The picture, unknown pixels included; set if only a part of the change is applied."""
    strength: float = 100.0
    """The part, in percent."""


class Step(NamedTuple):
    """One step of finishing."""

    scope: str
    """What it is done to: each "fit", whose result a checkpoint keeps; each "member" once more;
    the mean of a "tile"; the whole "picture"."""
    applies: Callable[[Scene], bool]
    apply: Callable[[np.ndarray, Scene], np.ndarray]
    keeps_raw: bool = False
    """Whether ``raw``, the fit's own estimate, stays as it is."""


def finish(outcome: Restoration, scope: str, scene: Scene) -> Restoration:
    """Applies the steps of a scope to a restoration."""
    for step in STEPS:
        if step.scope == scope and step.applies(scene):
            image = step.apply(outcome.image, scene)
            raw = outcome.raw if step.keeps_raw else image
            outcome = outcome._replace(image=image, raw=raw)
    return outcome


def _always(scene: Scene) -> bool:
    del scene
    return True


def _redraws_clipped(scene: Scene) -> bool:
    """Whether the fit knew nothing of clipping, so that its result is the unclipped mean."""
    noise, method = scene.noise, scene.preset.method
    return noise is not None and bool(noise.clipped) and method.feeds_noise


def _blends_each_fit(scene: Scene) -> bool:
    preset = scene.preset
    blends = scene.noise is not None and preset.task.measures_pixels
    return blends and not preset.method.hides_pixels


def _blends_mean(scene: Scene) -> bool:
    return scene.noise is not None and scene.preset.method.hides_pixels


def _to_clipped_mean(image: np.ndarray, scene: Scene) -> np.ndarray:
    assert scene.noise is not None
    return np.asarray(_clipped_mean(scene.noise.clipping_model(), image))


def _blend_held_out(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Blends in the values that were held out from this fit, and inverts clipping."""
    assert scene.held is not None
    return _blend(image, scene, scene.held)


def _blend_all(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Blends in every value, since the method predicts each from its neighbours.

    Done to the mean: the members' errors differ, while the noise of a pixel's own value is one.
    """
    assert scene.problem is not None
    return _blend(image, scene, scene.problem.known)


def _blend(image: np.ndarray, scene: Scene, unseen: np.ndarray) -> np.ndarray:
    assert scene.problem is not None
    assert scene.noise is not None
    crop = scene.problem.window.crop
    image = blend_unseen_pixels(image, crop(scene.problem.y), crop(unseen), scene.noise)
    if not scene.noise.clipped:
        return image
    return np.asarray(_invert_clipped_mean(scene.noise.clipping_model(), image))


def _join_known(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Lets the task join the estimate to what is known.

    On the canvas, like the fit: pictures of many sizes share the program.
    """
    problem = scene.problem
    assert problem is not None
    assert scene.held is not None
    method = scene.preset.method
    joined = scene.preset.task.join(
        problem.window.pad(image),
        problem.y,
        problem.known,
        scene.held,
        hides_pixels=method.hides_pixels,
    )
    return problem.window.crop(joined)


def _lies_on_canvas(scene: Scene) -> bool:
    return scene.preset.task.on_canvas


def _improve(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Lets the task improve the mean of the members, which finds alike patches best.

    On the canvas, like the fit: pictures of many sizes share the program.
    """
    problem = scene.problem
    assert problem is not None
    measured = Measured(problem.y, problem.known, scene.noise, scene.data, problem.region)
    padded = problem.window.pad(image)
    return problem.window.crop(scene.preset.task.improve(padded, measured))


def _put_back_known(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Puts known pixels back, to the bit, into the mean of tiles and members too."""
    exact = scene.preset.task.exact(scene.data)
    return image if exact is None else exact * scene.y + (1 - exact) * image


def _finish_task(image: np.ndarray, scene: Scene) -> np.ndarray:
    return scene.preset.task.finish(image, scene.y, scene.data, scene.noise)


def _changes_in_part(scene: Scene) -> bool:
    return scene.strength < 100


def _apply_part(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Applies the part of the change that ``strength`` asks for."""
    assert scene.given is not None
    return scene.given + np.float32(scene.strength / 100) * (image - scene.given)


def _clip(image: np.ndarray, scene: Scene) -> np.ndarray:
    del scene
    return np.clip(image, 0, 1)


def mask_uncertainty(uncertainty: np.ndarray | None, scene: Scene) -> np.ndarray | None:
    """Returns the uncertainty with 0 where known pixels were put back."""
    exact = scene.preset.task.exact(scene.data)
    if uncertainty is None or exact is None:
        return uncertainty
    return uncertainty * (1 - exact[:, :, 0])


def keep_picture(plan: Plan) -> Restoration:
    """Returns a picture that needs no restoration, unchanged, after no steps."""
    return Restoration(
        image=plan.picture,
        raw=plan.picture,
        trace={"loss": np.zeros(0, np.float32)},
        preset=plan.preset,
        noise=plan.noise,
        uncertainty=None,
        members=1,
        compile_seconds=0.0,
        fit_seconds=0.0,
        interrupted=False,
        verdict=plan.verdict,
        span=plan.span,
    )


def leave_span(outcome: Restoration, plan: Plan) -> Restoration:
    """Returns the finished restoration in the picture's own range, checked against the picture."""
    span, noise = plan.span, plan.noise
    image, uncertainty = span.leave(outcome.image), outcome.uncertainty
    exact = plan.preset.task.exact(plan.data)
    if exact is not None and not span.whole:  # to the bit
        image = exact * plan.picture + (1 - exact) * image
    offset = {"psnr": span.psnr_offset(), "average_psnr": span.psnr_offset()}
    trace = {
        name: values + np.float32(offset[name]) if name in offset and not span.whole else values
        for name, values in outcome.trace.items()
    }
    if noise is not None and not span.whole:
        size = span.high - span.low
        noise = noise.rescale(-span.low / size, (1 - span.low) / size)
    return outcome._replace(
        image=image,
        raw=span.leave(outcome.raw),
        trace=trace,
        noise=noise,
        uncertainty=None if uncertainty is None else span.leave_differences(uncertainty),
        span=span,
        doubt=_doubt(outcome.raw, plan),
    )


def _doubt(image: np.ndarray, plan: Plan) -> str:
    """Returns why a fit is doubtful (a mere blur is closer to the picture), or nothing."""
    from scipy import ndimage

    task = plan.preset.task
    if plan.known is not None or not task.measures_pixels or image.shape != plan.y.shape:
        return ""
    # SciPy's filter takes a seventh of the memory of JAX's, and large pictures come here whole.
    blurred = ndimage.uniform_filter(plan.y, (5, 5, 1))
    error, blurs = (float(np.sqrt(np.mean((x - plan.y) ** 2))) for x in (image, blurred))
    if error <= _WORSE * blurs:
        return ""
    size = plan.span.high - plan.span.low
    return (
        f"the fit is {255 * size * error:.3g} of 255 from the picture, and its blur over 5x5 "
        f"pixels {255 * size * blurs:.3g}: there were too few steps, or the fit went wrong"
    )


STEPS = (
    Step("fit", _redraws_clipped, _to_clipped_mean),
    Step("fit", _blends_each_fit, _blend_held_out),
    Step("member", _always, _join_known, keeps_raw=True),
    Step("tile", _blends_mean, _blend_all),
    Step("tile", _lies_on_canvas, _improve, keeps_raw=True),
    Step("picture", _always, _put_back_known, keeps_raw=True),
    Step("picture", _always, _finish_task, keeps_raw=True),
    Step("picture", _always, _clip, keeps_raw=True),
    Step("picture", _changes_in_part, _apply_part, keeps_raw=True),
)
