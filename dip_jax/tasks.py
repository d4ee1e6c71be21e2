"""Functions that turn measured data into a :class:`~dip_jax.base.Task`.

Losses are least squares, ``mean(|A(x) - y| ** 2)`` with an operator ``A``, as in the paper
(section 2), unless :func:`observe` is given another. The data are leaves of the task: a second
task of the same shapes compiles nothing, and ``jax.vmap(denoise)(ys)`` is a batch of tasks.

A *reference* (the clean picture, in demonstrations and experiments) is used by the metrics only.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from dip_jax import losses, metrics, operators
from dip_jax.base import Array, Image, Scalar, Task


def observe(
    operator: Callable[[Image], Array],
    y: Array,
    *,
    known: Array | None = None,
    loss: Callable[[Array, Array], Array] | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """Makes the task of finding an image x with ``operator(x)`` close to ``y``.

    Args:
      operator: any jittable and differentiable function of an image, linear or not. Pass its
        arrays through a :class:`jax.tree_util.Partial`, as in ``Partial(blur, kernel)``: a
        second task of the same shapes then reuses the compiled program. A plain function
        works too, but every new function object compiles again.
      y: the measurement, of the shape that ``operator`` returns.
      known: weights of the differences, such as 1 where ``y`` counts and 0 where it is
        ignored; broadcasts to the shape of ``y``. By default all values count. With a ``loss``,
        weights of the errors that it returns.
      loss: ``(operator(x), y) -> errors``, whose mean is fitted, such as those of
        :mod:`dip_jax.losses`; a ``Partial`` if it has arrays or numbers of its own. By default
        least squares.
      reference: the true image ``[h, w, c]``, if known. It is reported, never fitted.
      region: ``[h, w, 1]``, 1 where the reference counts and 0 elsewhere (such as the margin
        of a picture on a larger canvas). By default all pixels count.

    Raises:
      ValueError: when the task is first used, if the image measures as an array of another shape
        than ``y``, or one of them is complex and the other is not.
    """
    return Task(_make_loss(operator, y, known, loss), _make_metrics(reference, region))


def denoise(
    y: Image,
    *,
    known: Array | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """Fits the noisy image ``y [h, w, c]`` itself; early stopping removes the noise.

    The other arguments are as for :func:`observe`.
    """
    return Task(_make_loss(_IDENTITY, y, known), _make_metrics(reference, region))


def reconstruct(
    y: Image,
    *,
    known: Array | None = None,
    reference: Image | None = None,
    region: Array | None = None,
) -> Task:
    """Fits a picture ``y [h, w, c]`` with unknown damage, such as JPEG artefacts.

    The loss is that of :func:`denoise`. Only the preset differs: the damage is not independent
    noise, so the paper uses a narrower network (figure 1, supplement).
    """
    return denoise(y, known=known, reference=reference, region=region)


def inpaint(y: Image, mask: Array, *, reference: Image | None = None) -> Task:
    """Fits the known pixels of ``y [h, w, c]``, where ``mask [h, w, 1]`` is 1; it is 0 in holes.

    The mean of the loss is over all pixels, as in the original code.
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
    """Finds an image ``factor`` times larger whose downsampling is close to ``y [h, w, c]``.

    Args:
      y: the small image.
      factor: integer ratio of sizes.
      taps: downsampling filter, see :mod:`dip_jax.operators`; by default Lanczos-2, as in the
        paper.
      known: as for :func:`observe`.
      reference: the true large image ``[factor * h, factor * w, c]``, if known.
    """
    taps = operators.lanczos_taps(factor) if taps is None else taps
    rows, columns = (
        jnp.asarray(operators.resampling_matrix(factor * size, taps, factor))
        for size in y.shape[:2]
    )
    return Task(
        _make_loss(Partial(_resample, rows, columns), y, known),
        Partial(_psnr_and_luma, reference)
        if reference is not None and y.shape[-1] in (1, 3)
        else _make_metrics(reference),
    )


def total_variation(task: Task, weight: float, beta: float = 0.5) -> Task:
    """Adds ``weight`` times the mean total variation of the image to a task's loss.

    See :func:`dip_jax.metrics.total_variation` for ``beta``.
    """
    return task._replace(loss=Partial(_add_total_variation, task.loss, weight, beta))


def validate(task: Task, other: Task) -> Task:
    """Sets the loss of ``other``, on data that ``task`` does not fit, as validation error.

    >>> import jax, jax.numpy as jnp
    >>> from dip_jax import noise
    >>> y = jnp.full((16, 16, 3), 0.5)  # a noisy picture; the standard deviation is 0.1
    >>> y1, y2 = noise.recorrupt(jax.random.key(0), y, 0.1)
    >>> task = validate(denoise(y1), denoise(y2))
    """
    return task._replace(validation=other.loss)


def precompose(operator: Callable[[Image], Image], task: Task) -> Task:
    """Applies ``operator`` to an image before all functions of ``task``.

    ``precompose(Crop(0, 0, 100, 75), task)`` lets a generator work on a canvas larger than the
    picture. The pixels outside the crop are not constrained.
    """
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    validation = task.validation
    return Task(
        Partial(_compose, task.loss, operator),
        Partial(_compose, task.metrics, operator),
        None if validation is None else Partial(_compose, validation, operator),
    )


def _make_loss(
    operator: Callable, y: Array, known: Array | None = None, loss: Callable | None = None
) -> Partial:
    if not isinstance(operator, Partial):
        operator = Partial(operator)
    if loss is not None:
        loss = loss if isinstance(loss, Partial) else Partial(loss)
        return Partial(_mean_error, loss, operator, y, known)
    if known is None:
        return Partial(_squared_error, operator, y)
    _check_weights(known, jnp.shape(y))
    operator = Partial(_apply_and_mask, known, operator)
    return Partial(_squared_error, operator, operators.mask(y, known))


def _squared_error(operator: Callable, y: Array, image: Image) -> Scalar:
    return jnp.mean(losses.squared(_measure(operator, y, image), y))


def _mean_error(
    loss: Callable, operator: Callable, y: Array, known: Array | None, image: Image
) -> Scalar:
    errors = loss(_measure(operator, y, image), y)
    if known is None:
        return jnp.mean(errors)
    _check_weights(known, errors.shape)
    return jnp.mean(known * errors)


def _measure(operator: Callable, y: Array, image: Image) -> Array:
    measured = operator(image)
    if measured.shape != y.shape:  # otherwise grey and RGB would broadcast silently
        raise ValueError(
            f"y has shape {y.shape}, but the image measures as {measured.shape}: check the "
            "generator's channels and the operator"
        )
    if jnp.iscomplexobj(measured) != jnp.iscomplexobj(y):
        raise ValueError(
            f"y holds {y.dtype}, but the image measures as {measured.dtype}: for complex images, "
            "use precompose(operators.to_complex, task); for real ones, give the real part"
        )
    return measured


def _identity(image: Image) -> Image:
    return image


_IDENTITY = Partial(_identity)


def _apply_and_mask(mask: Array, operator: Callable, image: Image) -> Array:
    return operators.mask(operator(image), mask)


def _check_weights(known: Array, shape: tuple[int, ...]) -> None:
    """Checks that weights do not make an array larger."""
    own = jnp.shape(known)
    pairs = zip(reversed(own), reversed(shape), strict=False)
    if len(own) > len(shape) or any(size not in (1, whole) for size, whole in pairs):
        raise ValueError(
            f"known has shape {own}, which does not broadcast to that of the measurement, {shape}"
        )


def _resample(rows: Array, columns: Array, image: Image) -> Image:
    return operators.resample(image, rows, columns)


def _add_total_variation(loss: Callable, weight: float, beta: float, image: Image) -> Scalar:
    return loss(image) + weight * metrics.total_variation(image, beta) / image.size


def _compose(outer: Callable, inner: Callable, image: Image):
    return outer(inner(image))


def _make_metrics(reference: Image | None, region: Array | None = None) -> Partial:
    return Partial(_no_metrics) if reference is None else Partial(_psnr, reference, region)


def _no_metrics(image: Image) -> dict[str, Scalar]:
    del image
    return {}


def _psnr(reference: Image, region: Array | None, image: Image) -> dict[str, Scalar]:
    return {"psnr": metrics.psnr(image, reference, region)}


def _psnr_and_luma(reference: Image, image: Image) -> dict[str, Scalar]:
    return {
        "psnr": metrics.psnr(image, reference),
        "psnr_luma": metrics.psnr_luma(image, reference),
    }
