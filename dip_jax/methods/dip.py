"""Deep Image Prior: a generator fitted to one image by gradient descent on its parameters."""

import jax
import optax

from dip_jax.base import Algorithm, Array, Generator, Image, Info, Key, Params, Scalar, Task
from dip_jax.methods.descent import DipState, descend, start


def dip(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    *,
    jitter: float = 1 / 30,
) -> Algorithm:
    """Deep Image Prior (Ulyanov et al., equation 2): ``min over params of loss(f(z))``.

    Args:
      generator: the network, see :mod:`dip_jax.generators`.
      optimizer: any optax optimiser. Line searches get the step's loss as ``value_fn``. They
        need ``jitter=0``, or at least one fixed jitter throughout a step.
      jitter: standard deviation of the Gaussian noise added to z, drawn afresh at each step
        (the original's ``reg_noise_std``, 1/30 for denoising). 0 adds none.

    Returns:
      An Algorithm whose input is one array ``[h, w, depth]``. ``info.image`` is the output for
      the jittered z of that step; ``estimate`` is the output for z itself, one forward pass.

    Raises:
      ValueError: if ``jitter`` is negative.
    """
    if not jitter >= 0:
        raise ValueError(f"jitter={jitter!r}: must be 0 or more")
    optimizer = optax.with_extra_args_support(optimizer)

    def init(key: Key, task: Task, z: Array) -> DipState:
        del task
        return start(generator, optimizer, key, z, z)

    def step(state: DipState, task: Task) -> tuple[DipState, Info]:
        z = state.z
        if jitter:
            noise = jax.random.normal(jax.random.fold_in(state.key, state.count), z.shape)
            z = z + jitter * noise

        def objective(params: Params) -> tuple[Scalar, Image]:
            image = generator.apply(params, z)
            return task.loss(image), image

        return descend(optimizer, state, objective)

    def estimate(state: DipState) -> Image:
        return generator.apply(state.params, state.z)

    return Algorithm(init, step, estimate)
