"""A denoiser fitted by Stein's unbiased estimate of its own error."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Algorithm, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.methods.descent import DipState, descend, start
from dip_jax.methods.noisy import NoisyInput, redraw_input


def sure(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    extra_noise: float = 0.5,
    penalty: Callable[[Image], Scalar] | None = None,
) -> Algorithm:
    """The generator as a denoiser, fitted by Stein's unbiased risk estimate (SURE).

    The noisy picture ``y`` is both the generator's input and its target. What the generator would
    gain by passing noise through is added to the loss: twice the noise's variance times the
    divergence of the image with respect to the input. Each step draws one sample of the
    divergence, ``b (J b)`` with random signs b; J b comes from forward differentiation. The loss
    estimates the mean squared error against the clean image. It falls below 0 once the generator
    has learned the noise of ``y``.

    The input is a :class:`NoisyInput`; with ``sigma^2 = gain y`` the estimate holds for Poisson
    noise. The task is :func:`~dip_jax.tasks.denoise` of the same picture. Its weights, if any,
    weight the divergence too. A step costs two to three times as much as one of :func:`dip`.

    Args:
      generator: a network for inputs of c channels. It gets the picture minus 1/2.
      optimizer: any optax optimiser without a line search.
      extra_noise: each step adds Gaussian noise with the standard deviation ``u sigma`` to the
        input, u uniform between 0 and ``extra_noise``: extended SURE, which keeps the generator
        from specialising in one input.
      penalty: a loss term that is not quadratic, such as the total variation. Around the task it
        would be taken for part of the noise's measure.

    Returns:
      An Algorithm. ``info.image`` is the output for the input of that step, ``estimate`` the
      output for the noisy picture itself, with clipped values redrawn once more.

    Raises:
      ValueError: if ``extra_noise`` is negative.

    Source: Stein 1981; Ramani et al. 2008 (the random signs); Jo, Chun and Choi, Rethinking Deep
    Image Prior for Denoising, ICCV 2021 (extended SURE, section 3; Poisson: PURE).
    """
    if not extra_noise >= 0:
        raise ValueError(f"extra_noise={extra_noise!r}: must be 0 or more")
    optimizer = optax.with_extra_args_support(optimizer)

    def init(key: Key, task: Task, z: NoisyInput) -> DipState:
        del task
        return start(generator, optimizer, key, z, z.image)

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y, sigma, whole = redraw_input(state)
        keys = jax.random.split(jax.random.fold_in(state.key, state.count), 3)
        amount = jax.random.uniform(keys[0], maxval=extra_noise)
        x = whole + amount * sigma * jax.random.normal(keys[1], y.shape)
        signs = jax.random.rademacher(keys[2], y.shape, y.dtype)

        def weight(image: Image) -> Image:
            """Multiplies by the loss's second derivative; the loss is quadratic, so anywhere."""
            return jax.jvp(jax.grad(task.loss), (y,), (image,))[1]

        noise = sigma * signs
        towards = weight(sigma * noise)
        # Exact, as the derivative is diagonal and the signs' square is 1.
        variance = jnp.sum(noise * weight(noise)) / 2

        def objective(params: Params) -> tuple[Scalar, Image]:
            def paint(x: Image) -> Image:
                return generator.apply(params, x - 0.5)

            image, change = jax.jvp(paint, (x,), (signs,))
            # The task compares with y; the sum makes that a comparison with the redrawn picture.
            loss = task.loss(image + (y - whole)) + jnp.sum(towards * change) - variance
            return (loss if penalty is None else loss + penalty(image)), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, redraw_input(state)[-1] - 0.5)

    return Algorithm(init, step, estimate)
