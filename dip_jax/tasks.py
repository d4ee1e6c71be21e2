"""Tasks: measured data -> :class:`~dip_jax.base.Task`.

All are least squares, ``mean((A(x) - y) ** 2)`` as in the paper (section 2), for one operator
``A`` or another. The data are leaves of the task: building a second task of the same shapes
compiles nothing, and ``jax.vmap(denoise)(ys)`` is a batch of tasks.

A *reference* (the clean picture, in demonstrations and experiments) reaches the metrics only.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from dip_jax import metrics, operators
from dip_jax.base import Array, Image, Scalar, Task


def observe(
    operator: Callable[[Image], Array], y: Array, *, reference: Image | None = None
) -> Task:
    """The task of finding an image x with ``operator(x)`` close to ``y``.

    Args:
      operator: any jittable and differentiable function of an image, linear or not. Give its
        arrays as arguments of a :class:`jax.tree_util.Partial`, ``Partial(blur, kernel)``:
        then a second task of the same shapes reuses the compiled program. A bare function
        works too, but each new function object compiles anew.
      y: the measurement, of the shape that ``operator`` returns.
      reference: the true image ``[h, w, c]`` if it is known; reported, never fitted.
    """
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    return Task(Partial(_squared_error, operator, y), _report(reference))


def denoise(y: Image, *, reference: Image | None = None) -> Task:
    """Fits a noisy image ``y [h, w, c]`` itself; stopping early is what removes the noise."""
    return Task(Partial(_squared_error, _IDENTITY, y), _report(reference))


def reconstruct(y: Image, *, reference: Image | None = None) -> Task:
    """Fits a picture damaged in an unknown way, such as JPEG artefacts, ``y [h, w, c]``.

    The loss is :func:`denoise`'s. What differs is the preset: the damage is no independent
    noise, so the paper takes a narrower network (figure 1, supplement).
    """
    return denoise(y, reference=reference)


def inpaint(y: Image, mask: Array, *, reference: Image | None = None) -> Task:
    """Fits the known pixels of ``y [h, w, c]``: ``mask [h, w, 1]`` is 1 there, 0 in holes.

    The mean runs over all pixels, as in the original code.
    """
    known = Partial(_known, mask)
    return Task(Partial(_squared_error, known, operators.mask(y, mask)), _report(reference))


def super_resolve(
    y: Image,
    factor: int,
    *,
    taps: np.ndarray | None = None,
    reference: Image | None = None,
) -> Task:
    """Finds an image ``factor`` times larger whose downsampling is ``y [h, w, c]``.

    Args:
      y: the small image.
      factor: integer ratio of sizes.
      taps: downsampling filter, see :mod:`dip_jax.operators`; Lanczos-2 when absent, which
        the paper uses.
      reference: the true large image ``[factor * h, factor * w, c]`` if it is known.
    """
    taps = operators.lanczos_taps(factor) if taps is None else taps
    rows, columns = (
        jnp.asarray(operators.resampling_matrix(factor * size, taps, factor))
        for size in y.shape[:2]
    )
    return Task(
        Partial(_squared_error, Partial(_resampled, rows, columns), y),
        Partial(_luma_scores, reference)
        if reference is not None and y.shape[-1] in (1, 3)
        else _report(reference),
    )


def total_variation(task: Task, weight: float, beta: float = 0.5) -> Task:
    """Adds the mean total variation of the image, times ``weight``, to a task's loss.

    See :func:`dip_jax.metrics.total_variation` for ``beta``.
    """
    return task._replace(loss=Partial(_plus_variation, task.loss, weight, beta))


def through(operator: Callable[[Image], Image], task: Task) -> Task:
    """The same task for an image that it sees through ``operator``.

    ``through(Crop(0, 0, 100, 75), task)`` lets a generator work on a larger canvas than the
    picture: nothing is asked of the pixels outside.
    """
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    return Task(Partial(_composed, task.loss, operator), Partial(_composed, task.metrics, operator))


def _squared_error(operator: Callable, y: Array, image: Image) -> Scalar:
    measured = operator(image)
    if measured.shape != y.shape:  # else grey and RGB would be broadcast in silence
        raise ValueError(
            f"y has shape {y.shape}, but the image measures as {measured.shape}: check the "
            "generator's channels and the operator"
        )
    return jnp.mean((measured - y) ** 2)


def _identity(image: Image) -> Image:
    return image


_IDENTITY = Partial(_identity)


def _known(mask: Array, image: Image) -> Image:
    return operators.mask(image, mask)


def _resampled(rows: Array, columns: Array, image: Image) -> Image:
    return operators.resample(image, rows, columns)


def _plus_variation(loss: Callable, weight: float, beta: float, image: Image) -> Scalar:
    return loss(image) + weight * metrics.total_variation(image, beta) / image.size


def _composed(outer: Callable, inner: Callable, image: Image):
    return outer(inner(image))


def _report(reference: Image | None) -> Partial:
    return Partial(_no_metrics) if reference is None else Partial(_scores, reference)


def _no_metrics(image: Image) -> dict[str, Scalar]:
    del image
    return {}


def _scores(reference: Image, image: Image) -> dict[str, Scalar]:
    return {"psnr": metrics.psnr(image, reference)}


def _luma_scores(reference: Image, image: Image) -> dict[str, Scalar]:
    return {
        "psnr": metrics.psnr(image, reference),
        "psnr_luma": metrics.psnr_luma(image, reference),
    }
