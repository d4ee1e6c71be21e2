"""The method: a generator fitted to one image by gradient descent on its parameters."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Algorithm, Array, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.layout import canonical
from dip_jax.splitting import recorrupt


class DipState(NamedTuple):
    """State of :func:`dip`, :func:`recorrupted` and :func:`sure`."""

    params: Params
    opt_state: optax.OptState
    z: Array
    """As it was given to ``init``, ``[height, width, depth]``."""
    key: Key
    """Folded with ``count`` at each step: results do not depend on how steps are grouped."""
    count: Scalar
    """int32, steps taken."""


def dip(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    jitter: float = 1 / 30,
) -> Algorithm:
    """Deep Image Prior (Ulyanov et al., equation 2): ``min over params of loss(f(z))``.

    Args:
      generator: the network, see :mod:`dip_jax.generators`.
      optimizer: any optax optimiser. Line searches get the step's loss as ``value_fn``; they
        need ``jitter=0``, or at least see one jitter throughout a step.
      jitter: standard deviation of the Gaussian noise added to z, drawn afresh each step
        (the original's ``reg_noise_std``, 1/30 for denoising). 0 adds none.

    Returns:
      An Algorithm. ``info.image`` is the output for the jittered z of that step; ``estimate``
      is the output for z itself, one forward pass.
    """
    if not jitter >= 0:
        raise ValueError(f"jitter={jitter!r}: must be 0 or more")
    optimizer = optax.with_extra_args_support(optimizer)

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return _start(generator, optimizer, key, z, z)

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        z = state.z
        if jitter:
            noise = jax.random.normal(jax.random.fold_in(state.key, state.count), z.shape)
            z = z + jitter * noise

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, z)
            return task.loss(image), image

        return _descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, state.z)

    return Algorithm(init, step, estimate)


def recorrupted(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    alpha: float = 0.2,
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
        y, deviation = jnp.split(state.z, 2, axis=-1)
        y1, y2 = recorrupt(jax.random.fold_in(state.key, state.count), y, deviation, alpha)
        return y1 - 0.5, y - y2

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return _start(generator, optimizer, key, z, jnp.split(z, 2, axis=-1)[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y1, difference = split(state)

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, y1)
            # The task compares with y; so compared, the image is compared with y2.
            loss = task.loss(image + difference)
            return (loss if penalty is None else loss + penalty(image)), image

        return _descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, split(state)[0])

    return Algorithm(init, step, estimate)


def sure(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    extra: float = 0.5,
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
      penalty: a term of the loss that is not quadratic, such as the total variation; around the
        task it would be taken for a part of the noise's measure.

    Returns:
      An Algorithm. ``info.image`` is the output for the input of that step, ``estimate`` for
      the noisy image itself.

    Source: Stein 1981; Ramani et al. 2008 (the random signs); Jo, Chun and Choi, Rethinking
    Deep Image Prior for Denoising, ICCV 2021 (extended SURE, section 3; Poisson: PURE).
    """
    if not extra >= 0:
        raise ValueError(f"extra={extra!r}: must be 0 or more")
    optimizer = optax.with_extra_args_support(optimizer)

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return _start(generator, optimizer, key, z, jnp.split(z, 2, axis=-1)[0])

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        y, deviation = jnp.split(state.z, 2, axis=-1)
        keys = jax.random.split(jax.random.fold_in(state.key, state.count), 3)
        amount = jax.random.uniform(keys[0], maxval=extra)
        x = y + amount * deviation * jax.random.normal(keys[1], y.shape)
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
            loss = task.loss(image) + jnp.sum(towards * change) - variance
            return (loss if penalty is None else loss + penalty(image)), image

        return _descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, jnp.split(state.z, 2, axis=-1)[0] - 0.5)

    return Algorithm(init, step, estimate)


def _start(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    key: Key,
    z: Array,
    example: Array,
) -> DipState:
    params_key, key = jax.random.split(key)
    params = generator.init(params_key, example)
    return DipState(params, optimizer.init(params), z, key, jnp.zeros((), jnp.int32))


def _descend(
    optimizer: optax.GradientTransformationExtraArgs,
    state: DipState,
    objective: Callable[[Params], tuple[Scalar, Image]],
) -> tuple[DipState, Info]:
    (loss, image), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(
        grads,
        state.opt_state,
        state.params,
        value=loss,
        grad=grads,
        value_fn=_in_a_search(lambda params: objective(params)[0]),
    )
    params = optax.apply_updates(state.params, updates)
    state = state._replace(params=params, opt_state=opt_state, count=state.count + 1)
    return state, Info(loss, image, {})


def _in_a_search(loss: Callable[[Params], Scalar]) -> Callable[[Params], Scalar]:
    """``loss`` for a line search, which takes its gradient inside a loop: fast there too."""
    value_and_grad = canonical(jax.value_and_grad(loss), everywhere=True)
    searched = jax.custom_vjp(loss)

    def backward(grads: Params, cotangent: Scalar) -> tuple[Params]:
        return (jax.tree.map(lambda grad: cotangent * grad, grads),)

    searched.defvjp(value_and_grad, backward)
    return searched
