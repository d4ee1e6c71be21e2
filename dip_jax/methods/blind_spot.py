"""A generator trained to predict pixels that are hidden from it: inpainting, blind denoising."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Algorithm, Array, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.methods.descent import DipState, descend, start

_LEAST_HIDDEN = 0.2  # of ``hide``: a step that hides hardly anything teaches hardly anything
_FEW_HIDDEN = 8  # pixels, where little of a picture is known


class MaskedInput(NamedTuple):
    """A picture with holes."""

    image: Image
    """``[h, w, c]``; its values in holes do not matter."""
    known: Array
    """``[h, w, 1]``: 1 where the picture is known, 0 in holes."""


def masked(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    hide: float = 0.5,
    guess: Callable[[Image, Array], Image] | None = None,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as an inpainter: it learns to predict known pixels that are hidden from it.

    Each step hides some of the known pixels, chosen at random, and asks the generator for them,
    given the others. It thus learns from the picture itself how a pixel follows from those around
    it, and then fills the holes in the same way. The loss is the task's, divided by the fraction
    of known pixels that was hidden.

    The input is a :class:`MaskedInput`. The task is :func:`~dip_jax.tasks.inpaint` of the same
    picture. Pixels that are known to the task but not to the input are predicted at every step;
    pixels known to the input but not to the task never are.

    Args:
      generator: a network for inputs of c + 1 channels. It gets the picture minus 1/2, with 0 in
        holes and at hidden pixels, then the mask of what it sees. With a ``guess``, a network for
        2 c + 1 channels: the guess minus 1/2 comes last.
      optimizer: any optax optimiser without a line search.
      hide: above 0, at most 1. A step hides each pixel with a probability that is drawn for that
        step, uniformly between a fifth of ``hide`` and ``hide``. It hides more, up to 1/2, where
        that would be fewer than 8 pixels.
      guess: a first answer, such as :func:`dip_jax.filling.interpolate`: it fills a picture's
        holes, given the picture and the mask of what is shown. The generator's output minus 1/2
        is added to it, so a fit starts from the guess and learns what it misses, at most 1/2.
      penalty: a loss term on the generator's own image, as for :func:`recorrupted`.

    Returns:
      An Algorithm. ``info.image`` is the output for what was shown in that step, ``estimate`` the
      output for all that is known. An average of the former is better than the latter.

    Raises:
      ValueError: if ``hide`` is out of range.

    Source: Quan et al., Self2Self, CVPR 2020 (section 3; there with dropout in the network);
    Batson and Royer, Noise2Self, ICML 2019.
    """
    if not 0 < hide <= 1:
        raise ValueError(f"hide={hide!r}: must be above 0 and at most 1")
    optimizer = optax.with_extra_args_support(optimizer)

    def look(y: Image, shown: Array) -> tuple[Array, Image | float]:
        """Returns what the generator gets, and what its image is added to."""
        seen = jnp.concatenate([(y - 0.5) * shown, shown], axis=-1)
        if guess is None:
            return seen, 0.0
        base = guess(y * shown, shown) - 0.5
        return jnp.concatenate([seen, base], axis=-1), base

    def init(key: Key, task: Task, z: MaskedInput) -> DipState:
        del task
        return start(generator, optimizer, key, z, look(*z)[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y, known = state.z
        shown = _draw_shown(state, hide)
        seen, base = look(y, shown)
        # Adam expects gradients of equal size, whether a step hides many pixels or few.
        hidden_share = jnp.sum(known - shown) / jnp.maximum(jnp.sum(known), 1)

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, seen) + base
            # Repeating what was shown gains nothing: there the task gets the shown values.
            loss = task.loss(shown * y + (1 - shown) * image) / jnp.maximum(hidden_share, 1e-3)
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        seen, base = look(*state.z)
        return generator.apply(state.params, seen) + base

    return Algorithm(init, step, estimate)


def _draw_shown(state: DipState, hide: float) -> Array:
    """Returns 1 at the known pixels that the step from ``state`` does not hide, ``[h, w, 1]``."""
    known = state.z.known
    keys = jax.random.split(jax.random.fold_in(state.key, state.count))
    share = jax.random.uniform(keys[0], minval=_LEAST_HIDDEN * hide, maxval=hide)
    # A step that hides nothing learns nothing, so hide some pixels even where few are known.
    share = jnp.maximum(share, jnp.minimum(_FEW_HIDDEN / jnp.maximum(jnp.sum(known), 1), 0.5))
    return known * (1 - jax.random.bernoulli(keys[1], share, known.shape))


class BlindSpotState(NamedTuple):
    """State of :func:`blind_spot`."""

    fit: DipState
    image: Image
    """Each pixel as it was predicted when it was last hidden."""


def blind_spot(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    hide: float = 0.5,
    guess: Callable[[Image, Array], Image] | None = None,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """:func:`masked` whose image holds the prediction of every pixel, of known ones too.

    So it denoises without any knowledge of the noise: a hidden pixel's noise can't be predicted
    from other pixels if it is independent of theirs and has mean 0, and what can be predicted is
    the clean image. (There is only one picture, so the generator may learn its noise after many
    steps.) The pixel's own value is left out. It may be blended in afterwards, as its noise is
    independent of the prediction's error (:func:`dip_jax.noise.blend_unseen_pixels`); the
    stronger the noise, the less that gains.

    Args, input and task are those of :func:`masked`; for denoising every pixel is known.

    Returns:
      An Algorithm. ``info.image`` and ``estimate`` hold each pixel's prediction from when it was
      last hidden, or a hole (before the first step: the guess, or black). An average is better.

    Source: Batson and Royer, Noise2Self, ICML 2019; Quan et al., Self2Self, CVPR 2020.
    """
    masked_fit = masked(generator, optimizer, hide=hide, guess=guess, penalty=penalty)

    def init(key: Key, task: Task, z: MaskedInput) -> BlindSpotState:
        y, known = z
        image = jnp.zeros_like(y) if guess is None else guess(y * known, known)
        return BlindSpotState(masked_fit.init(key, task, z), image)

    def step(state: BlindSpotState, task: Task) -> tuple[BlindSpotState, Info]:
        unseen = (_draw_shown(state.fit, hide) == 0) | (state.fit.count == 0)
        fit, info = masked_fit.step(state.fit, task)
        image = jnp.where(unseen, info.image, state.image)
        return BlindSpotState(fit, image), info._replace(image=image)

    def estimate(state: BlindSpotState) -> Image:
        return state.image

    return Algorithm(init, step, estimate)
