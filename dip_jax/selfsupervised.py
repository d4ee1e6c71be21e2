"""The generator as a restorer: it is fed the one degraded image, and fitted to know more of it.

Each makes its training data of the image itself. What it learns is how such an image's pixels
follow from one another, and what it can't foresee, such as noise, it leaves out.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Algorithm, Array, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.clipping import redraw
from dip_jax.descent import DipState, descend, start
from dip_jax.splitting import recorrupt

_REDRAWN = 2**32 - 1  # a step that no fit reaches
_LEAST_HIDDEN = 0.2  # steps that hide hardly anything teach as little
_FEW_HIDDEN = 8  # pixels, of a picture of which little is known


def recorrupted(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    alpha: float = 0.2,
    clipped: bool = False,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as a denoiser: fitted to turn one noisy copy of the image into another.

    From the noisy image ``y`` with noise of standard deviation s, each step draws two images
    whose noises are independent, y1 and y2 of :func:`~dip_jax.splitting.recorrupt`. The
    generator gets y1 and is fitted to y2, whose noise it can't foresee. (As each pair is made
    of one ``y``, it may come to know the noise of ``y`` itself: the more slowly, the larger
    ``alpha``.)

    Its input is ``z [h, w, 2 c]``: the noisy image, then s for each of its values, in the same
    units. For Poisson noise s varies with the brightness. The task is
    :func:`~dip_jax.tasks.denoise` of the same image.

    Args:
      generator: a network for inputs of c channels. It sees the image less 1/2.
      optimizer: any optax optimiser without a line search.
      alpha: above 0 and below 1. More adds noise to the input, less to the target.
      clipped: whether z has a third part, of :func:`dip_jax.clipping.cut_off`. Then s is the
        noise's deviation before it was clipped, and each step draws anew what was cut off.
      penalty: a term of the loss that is to see the generator's image itself. A regulariser
        around the task, such as :func:`~dip_jax.tasks.total_variation`, would see it with
        y - y2, which is noise.

    Returns:
      An Algorithm. ``info.image`` is the output for the y1 of that step, ``estimate`` for one
      more draw; averages of outputs come out better than either.

    Source: Pang et al., Recorrupted-to-Recorrupted, CVPR 2021; Monroy et al., Generalized
    R2R, ICLR 2025.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r}: must be above 0 and below 1")
    optimizer = optax.with_extra_args_support(optimizer)

    def split(state: DipState) -> tuple[Image, Image]:
        """The generator's input y1, and y - y2."""
        y, deviation, whole = _noisy(state, clipped)
        y1, y2 = recorrupt(jax.random.fold_in(state.key, state.count), whole, deviation, alpha)
        return y1 - 0.5, y - y2

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return start(generator, optimizer, key, z, _fields(z, clipped)[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y1, difference = split(state)

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, y1)
            # The task compares with y; so compared, the image is compared with y2.
            loss = task.loss(image + difference)
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, split(state)[0])

    return Algorithm(init, step, estimate)


def sure(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    extra: float = 0.5,
    clipped: bool = False,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as a denoiser, fitted by Stein's unbiased estimate of its own error.

    The noisy image ``y`` is both what the generator gets and what it is compared with; what it
    would gain by passing noise through is added to the loss: twice the noise's variance times
    the divergence of the image with respect to the input. Of the divergence each step draws
    ``b (J b)``, J b by forward differentiation, with random signs b. The loss estimates the
    mean squared error against the clean image, and is below 0 once it knows the noise of ``y``.

    Its input is ``z [h, w, 2 c]``: the noisy image, then the standard deviation s of each of its
    values, in the same units; with ``s^2 = gain y`` it is the estimate for Poisson noise. The
    task is :func:`~dip_jax.tasks.denoise` of the same image; any weights of its are those of
    the divergence too.

    A step costs two to three times that of :func:`dip`.

    Args:
      generator: a network for inputs of c channels. It sees the image less 1/2.
      optimizer: any optax optimiser without a line search.
      extra: each step adds to the input Gaussian noise of deviation ``u s``, u uniform between
        0 and ``extra``: extended SURE, which keeps the generator from settling on one input.
      clipped: as for :func:`recorrupted`.
      penalty: a term of the loss that is not quadratic, such as the total variation; around the
        task it would be taken for a part of the noise's measure.

    Returns:
      An Algorithm. ``info.image`` is the output for the input of that step, ``estimate`` for
      the noisy image itself, what was cut off drawn anew once more.

    Source: Stein 1981; Ramani et al. 2008 (the random signs); Jo, Chun and Choi, Rethinking
    Deep Image Prior for Denoising, ICCV 2021 (extended SURE, section 3; Poisson: PURE).
    """
    if not extra >= 0:
        raise ValueError(f"extra={extra!r}: must be 0 or more")
    optimizer = optax.with_extra_args_support(optimizer)

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return start(generator, optimizer, key, z, _fields(z, clipped)[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y, deviation, whole = _noisy(state, clipped)
        keys = jax.random.split(jax.random.fold_in(state.key, state.count), 3)
        amount = jax.random.uniform(keys[0], maxval=extra)
        x = whole + amount * deviation * jax.random.normal(keys[1], y.shape)
        signs = jax.random.rademacher(keys[2], y.shape, y.dtype)

        def weighted(image: Image) -> Image:
            """The loss's second derivative times ``image``; the loss being quadratic, anywhere."""
            return jax.jvp(jax.grad(task.loss), (y,), (image,))[1]

        noise = deviation * signs
        towards = weighted(deviation * noise)
        # Exact, as the derivative is diagonal and signs have the square 1.
        variance = jnp.sum(noise * weighted(noise)) / 2

        def objective(params: Params) -> tuple[Scalar, Image]:
            def paint(x: Image) -> Image:
                return generator.apply(params, x - 0.5)

            image, change = jax.jvp(paint, (x,), (signs,))
            # The task compares with y; so compared, the image is compared with the whole one.
            loss = task.loss(image + (y - whole)) + jnp.sum(towards * change) - variance
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, _noisy(state, clipped)[-1] - 0.5)

    return Algorithm(init, step, estimate)


def _fields(z: Array, clipped: bool) -> list[Array]:
    return jnp.split(z, 3 if clipped else 2, axis=-1)


def _noisy(state: DipState, clipped: bool) -> tuple[Image, Array, Image]:
    """The noisy image, its noise's deviation, and the image with what was cut off drawn anew."""
    y, deviation, *cut = _fields(state.z, clipped)
    if not clipped:
        return y, deviation, y
    # No key that the step draws other noise with, or splits.
    key = jax.random.fold_in(jax.random.fold_in(state.key, _REDRAWN), state.count)
    return y, deviation, redraw(key, y, deviation, *cut)


def masked(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    hide: float = 0.5,
    guess: Callable[[Image, Array], Image] | None = None,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as an inpainter: fitted to foresee known pixels that are hidden from it.

    Each step hides some of the known pixels, drawn at random, and asks the generator for these,
    given the others: so it learns from the image itself how a pixel follows from those around
    it, and then does for the holes what it did for the hidden ones. The loss is the task's,
    divided by the share of the known pixels that was hidden.

    Its input is ``z [h, w, c + 1]``: the image, then 1 where it is known and 0 in holes. The
    task is :func:`~dip_jax.tasks.inpaint` of the same image. Known pixels that are the task's
    but not z's are always foreseen, those of z that are not the task's never.

    Args:
      generator: a network for inputs of c + 1 channels. It sees the image less 1/2, and 0 in
        holes and where hidden, then the mask of what it sees. With a ``guess``, of 2 c + 1
        channels: that less 1/2 comes last.
      optimizer: any optax optimiser without a line search.
      hide: above 0, at most 1. A step hides each pixel with a chance that is drawn, for that
        step, uniformly between a fifth of ``hide`` and ``hide``; with more, up to 1/2, where that
        would be less than 8 pixels.
      guess: a first answer, such as :func:`dip_jax.filling.interpolate`: of the image and the
        mask of what is shown, it fills in the rest. What the generator paints, less 1/2, is
        added to it: so a fit begins there, and learns only what the guess misses, by 1/2 at most.
      penalty: a term of the loss that is to see the generator's image itself, as for
        :func:`recorrupted`.

    Returns:
      An Algorithm. ``info.image`` is the output for what was shown in that step, ``estimate``
      for all that is known; of the former an average is the better one.

    Source: Quan et al., Self2Self, CVPR 2020 (section 3; there with dropout in the network);
    Batson and Royer, Noise2Self, ICML 2019.
    """
    if not 0 < hide <= 1:
        raise ValueError(f"hide={hide!r}: must be above 0 and at most 1")
    optimizer = optax.with_extra_args_support(optimizer)

    def seen(y: Image, shown: Array) -> tuple[Array, Image | float]:
        """What the generator gets, and what its image is added to."""
        input_ = jnp.concatenate([(y - 0.5) * shown, shown], axis=-1)
        if guess is None:
            return input_, 0.0
        more = guess(y * shown, shown) - 0.5
        return jnp.concatenate([input_, more], axis=-1), more

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return start(generator, optimizer, key, z, seen(z[..., :-1], z[..., -1:])[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y, known = state.z[..., :-1], state.z[..., -1:]
        shown = _shown(state, hide)
        input_, more = seen(y, shown)
        # Or steps that hide much would outweigh those that hide little: Adam lives on equal ones.
        among = jnp.sum(known - shown) / jnp.maximum(jnp.sum(known), 1)

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, input_) + more
            # What it was shown is no merit: there the task gets the image as it was shown.
            loss = task.loss(shown * y + (1 - shown) * image) / jnp.maximum(among, 1e-3)
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        input_, more = seen(state.z[..., :-1], state.z[..., -1:])
        return generator.apply(state.params, input_) + more

    return Algorithm(init, step, estimate)


def _shown(state: DipState, hide: float) -> Array:
    """The known pixels that the step from ``state`` does not hide: 1 there, ``[h, w, 1]``."""
    known = state.z[..., -1:]
    keys = jax.random.split(jax.random.fold_in(state.key, state.count))
    share = jax.random.uniform(keys[0], minval=_LEAST_HIDDEN * hide, maxval=hide)
    # Where little is known, some pixels all the same: a step that hides none learns nothing.
    share = jnp.maximum(share, jnp.minimum(_FEW_HIDDEN / jnp.maximum(jnp.sum(known), 1), 0.5))
    return known * (1 - jax.random.bernoulli(keys[1], share, known.shape))


class BlindSpotState(NamedTuple):
    """State of :func:`blind_spot`."""

    fit: DipState
    image: Image
    """Each pixel as it was foreseen when last it was not seen."""


def blind_spot(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    hide: float = 0.5,
    guess: Callable[[Image, Array], Image] | None = None,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """:func:`masked`, and its image is what was foreseen of each pixel, of the known ones too.

    So it denoises, and is told nothing of the noise: a hidden pixel's noise can't be foreseen
    from the other pixels, if it is independent of theirs and of mean 0, and what is foreseen is
    the clean image. (As there is but one image, the generator may come to know its noise after
    many steps.) What the pixel's own value tells is left out: it may be weighed in afterwards, as
    its noise is independent of the error. That is worth the less, the more noise there is.

    Args, input and task are those of :func:`masked`; to denoise, all is known.

    Returns:
      An Algorithm. ``info.image`` and ``estimate`` are what was foreseen of each pixel when it was
      last hidden, or a hole (before the first step the guess, or black); averages of it come out
      better.

    Source: Batson and Royer, Noise2Self, ICML 2019; Quan et al., Self2Self, CVPR 2020.
    """
    masked_fit = masked(generator, optimizer, hide=hide, guess=guess, penalty=penalty)

    def init(key: Key, task: Task, z: Array) -> BlindSpotState:
        y, known = z[..., :-1], z[..., -1:]
        image = jnp.zeros_like(y) if guess is None else guess(y * known, known)
        return BlindSpotState(masked_fit.init(key, task, z), image)

    def step(state: BlindSpotState, task: Task) -> tuple[BlindSpotState, Info]:
        unseen = (_shown(state.fit, hide) == 0) | (state.fit.count == 0)
        fit, info = masked_fit.step(state.fit, task)
        image = jnp.where(unseen, info.image, state.image)
        return BlindSpotState(fit, image), info._replace(image=image)

    def estimate(state: BlindSpotState) -> Image:
        return state.image

    return Algorithm(init, step, estimate)
