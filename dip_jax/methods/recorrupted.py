"""A denoiser trained from one noisier copy of the picture to another."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Algorithm, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.methods.descent import DipState, descend, start
from dip_jax.methods.noisy import NoisyInput, redraw_input
from dip_jax.noise.splitting import recorrupt

_FLIPS = 2**32 - 2  # a step that no fit reaches


def recorrupted(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    noise_share: float = 0.2,
    flips: bool = False,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as a denoiser: it maps one noisy copy of the picture to another.

    From the noisy picture ``y`` with noise of standard deviation sigma, each step draws two
    images with independent noises, y1 and y2 of :func:`~dip_jax.noise.recorrupt`. The generator
    gets y1 and is fitted to y2, whose noise it can't predict. (Each pair comes from one ``y``, so
    the generator may in time learn the noise of ``y`` itself: the larger ``noise_share``, the
    later; and correlated noise it learns sooner than white noise.)

    The input is a :class:`NoisyInput`. For Poisson noise its sigma varies with the brightness.
    The task is :func:`~dip_jax.tasks.denoise` of the same picture.

    Args:
      generator: a network for inputs of c channels. It gets the picture minus 1/2.
      optimizer: any optax optimiser without a line search.
      noise_share: above 0 and below 1. A larger share adds more noise to the input and less to
        the target.
      flips: whether each step mirrors what the generator sees, at random, up and down and left and
        right, and its output back. The noise of one picture is then learned later.
      penalty: a loss term on the generator's own image. A regulariser around the task, such as
        :func:`~dip_jax.tasks.total_variation`, would see the image plus y - y2, which is noise.

    Returns:
      An Algorithm. ``info.image`` is the output for the y1 of that step, ``estimate`` the output
      for one more draw. Averages of outputs are better than either.

    Raises:
      ValueError: if ``noise_share`` is out of range.

    Source: Pang et al., Recorrupted-to-Recorrupted, CVPR 2021; Monroy et al., Generalized R2R,
    ICLR 2025.
    """
    if not 0 < noise_share < 1:
        raise ValueError(f"noise_share={noise_share!r}: must be above 0 and below 1")
    optimizer = optax.with_extra_args_support(optimizer)

    def split(state: DipState) -> tuple[Image, Image]:
        """Returns the generator's input y1, and y - y2."""
        y, sigma, whole = redraw_input(state)
        key = jax.random.fold_in(state.key, state.count)
        y1, y2 = recorrupt(key, whole, sigma, noise_share, state.z.transfer)
        return y1 - 0.5, y - y2

    def flip(state: DipState) -> Callable[[Image], Image]:
        """Returns the step's own mirror, which is its own inverse."""
        if not flips:
            return lambda image: image
        key = jax.random.fold_in(jax.random.fold_in(state.key, _FLIPS), state.count)
        rows, columns = jax.random.bernoulli(key, shape=(2,))

        def mirror(image: Image) -> Image:
            image = jnp.where(rows, image[::-1], image)
            return jnp.where(columns, image[:, ::-1], image)

        return mirror

    def apply(params: Params, y1: Image, mirror: Callable[[Image], Image]) -> Image:
        return mirror(generator.apply(params, mirror(y1)))

    def init(key: Key, task: Task, z: NoisyInput) -> DipState:
        del task
        return start(generator, optimizer, key, z, z.image)

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y1, difference = split(state)

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = apply(params, y1, flip(state))
            # The task compares with y; the sum makes that a comparison of the image with y2.
            loss = task.loss(image + difference)
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return apply(state.params, split(state)[0], flip(state))

    return Algorithm(init, step, estimate)
