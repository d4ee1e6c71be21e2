"""What every algorithm does with its generator's parameters: draws them, and takes a step."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Array, Generator, Image, Info, Key, Params, Scalar
from dip_jax.layout import canonical


class DipState(NamedTuple):
    """State of the algorithms that hold a generator and its input."""

    params: Params
    opt_state: optax.OptState
    z: Array
    """As it was given to ``init``, ``[height, width, depth]``."""
    key: Key
    """Folded with ``count`` at each step: results do not depend on how steps are grouped."""
    count: Scalar
    """int32, steps taken."""


def start(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    key: Key,
    z: Array,
    example: Array,
) -> DipState:
    """The state before the first step; ``example`` has the shape of what the generator gets."""
    params_key, key = jax.random.split(key)
    params = generator.init(params_key, example)
    return DipState(params, optimizer.init(params), z, key, jnp.zeros((), jnp.int32))


def descend(
    optimizer: optax.GradientTransformationExtraArgs,
    state: DipState,
    objective: Callable[[Params], tuple[Scalar, Image]],
) -> tuple[DipState, Info]:
    """One step of the optimiser down ``objective``, which gives the loss and the image."""
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
