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
    operator: Callable[[Image], Array],
    y: Array,
    *,
    known: Array | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """The task of finding an image x with ``operator(x)`` close to ``y``.

    Args:
      operator: any jittable and differentiable function of an image, linear or not. Give its
        arrays as arguments of a :class:`jax.tree_util.Partial`, ``Partial(blur, kernel)``:
        then a second task of the same shapes reuses the compiled program. A bare function
        works too, but each new function object compiles anew.
      y: the measurement, of the shape that ``operator`` returns.
      known: 1 where ``y`` counts and 0 where it is left out, or other weights of the
        differences, of y's shape or one that broadcasts to it; when absent, all counts.
      reference: the true image ``[h, w, c]`` if it is known; reported, never fitted.
      region: ``[h, w, 1]``, 1 where the reference counts and 0 elsewhere (the margin of a
        picture on a larger canvas); everywhere when absent.
    """
    return Task(_loss(operator, y, known), _report(reference, region))


def denoise(
    y: Image,
    *,
    known: Array | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """Fits a noisy image ``y [h, w, c]`` itself; stopping early is what removes the noise.

    The other arguments are as for :func:`observe`.
    """
    return Task(_loss(_IDENTITY, y, known), _report(reference, region))


def reconstruct(
    y: Image,
    *,
    known: Array | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """Fits a picture damaged in an unknown way, such as JPEG artefacts, ``y [h, w, c]``.

    The loss is :func:`denoise`'s. What differs is the preset: the damage is no independent
    noise, so the paper takes a narrower network (figure 1, supplement).
    """
    return denoise(y, known=known, reference=reference, region=region)


def inpaint(y: Image, mask: Array, *, reference: Image | None = None) -> Task:
    """Fits the known pixels of ``y [h, w, c]``: ``mask [h, w, 1]`` is 1 there, 0 in holes.

    The mean runs over all pixels, as in the original code.
    """
    return denoise(y, known=mask, reference=reference)


def super_resolve(
    y: Image,
    factor: int,
    *,
    taps: np.ndarray | None = None,
    known: Array | None = None,
    reference: Image | None = None,
) -> Task:
    """Finds an image ``factor`` times larger whose downsampling is ``y [h, w, c]``.

    Args:
      y: the small image.
      factor: integer ratio of sizes.
      taps: downsampling filter, see :mod:`dip_jax.operators`; Lanczos-2 when absent, which
        the paper uses.
      known: as for :func:`observe`.
      reference: the true large image ``[factor * h, factor * w, c]`` if it is known.
    """
    taps = operators.lanczos_taps(factor) if taps is None else taps
    rows, columns = (
        jnp.asarray(operators.resampling_matrix(factor * size, taps, factor))
        for size in y.shape[:2]
    )
    return Task(
        _loss(Partial(_resampled, rows, columns), y, known),
        Partial(_luma_scores, reference)
        if reference is not None and y.shape[-1] in (1, 3)
        else _report(reference),
    )


def total_variation(task: Task, weight: float, beta: float = 0.5) -> Task:
    """Adds the mean total variation of the image, times ``weight``, to a task's loss.

    See :func:`dip_jax.metrics.total_variation` for ``beta``.
    """
    return task._replace(loss=Partial(_plus_variation, task.loss, weight, beta))


def validate(task: Task, other: Task) -> Task:
    """``task``, validated by another's loss: of data that ``task`` does not fit.

    >>> import jax, jax.numpy as jnp
    >>> from dip_jax import splitting
    >>> y = jnp.full((16, 16, 3), 0.5)  # a noisy picture, and its noise's deviation 0.1
    >>> y1, y2 = splitting.recorrupt(jax.random.key(0), y, 0.1)
    >>> task = validate(denoise(y1), denoise(y2))
    """
    return task._replace(validation=other.loss)


def precompose(operator: Callable[[Image], Image], task: Task) -> Task:
    """The same task for an image that it sees through ``operator``.

    ``precompose(Crop(0, 0, 100, 75), task)`` lets a generator work on a larger canvas than the
    picture: nothing is asked of the pixels outside.
    """
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    validation = task.validation
    return Task(
        Partial(_composed, task.loss, operator),
        Partial(_composed, task.metrics, operator),
        None if validation is None else Partial(_composed, validation, operator),
    )


def _loss(operator: Callable, y: Array, known: Array | None = None) -> Partial:
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    if known is None:
        return Partial(_squared_error, operator, y)
    return Partial(_squared_error, Partial(_known, known, operator), operators.mask(y, known))


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


def _known(mask: Array, operator: Callable, image: Image) -> Array:
    return operators.mask(operator(image), mask)


def _resampled(rows: Array, columns: Array, image: Image) -> Image:
    return operators.resample(image, rows, columns)


def _plus_variation(loss: Callable, weight: float, beta: float, image: Image) -> Scalar:
    return loss(image) + weight * metrics.total_variation(image, beta) / image.size


def _composed(outer: Callable, inner: Callable, image: Image):
    return outer(inner(image))


def _report(reference: Image | None, region: Array | None = None) -> Partial:
    return Partial(_no_metrics) if reference is None else Partial(_scores, reference, region)


def _no_metrics(image: Image) -> dict[str, Scalar]:
    del image
    return {}


def _scores(reference: Image, region: Array | None, image: Image) -> dict[str, Scalar]:
    return {"psnr": metrics.psnr(image, reference, region)}


def _luma_scores(reference: Image, image: Image) -> dict[str, Scalar]:
    return {
        "psnr": metrics.psnr(image, reference),
        "psnr_luma": metrics.psnr_luma(image, reference),
    }
