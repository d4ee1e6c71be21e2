"""What every method does with a generator's parameters: draw them, and take a step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dip_jax.base import Array, Generator, Image, Info, Key, Params, Scalar
from dip_jax.layout import canonical


class DipState(NamedTuple):
    """State of the methods: a generator's parameters and its input."""

    params: Params
    opt_state: optax.OptState
    z: Any
    """The input as given to ``init``, a pytree of arrays."""
    key: Key
    """Folded with ``count`` at each step, so results do not depend on how steps are grouped."""
    count: Scalar
    """int32, steps taken."""


def start(
    generator: Generator,
    optimizer: optax.GradientTransformation,
    key: Key,
    z: Any,
    example: Array,
) -> DipState:
    """Returns the state before the first step.

    Args:
      generator: the network.
      optimizer: any optax optimiser.
      key: decides the parameters, and all randomness of the steps.
      z: the method's input, a pytree of arrays.
      example: an array of the shape that the generator gets.
    """
    params_key, key = jax.random.split(key)
    params = generator.init(params_key, example)
    return DipState(params, optimizer.init(params), z, key, jnp.zeros((), jnp.int32))


def descend(
    optimizer: optax.GradientTransformationExtraArgs,
    state: DipState,
    objective: Callable[[Params], tuple[Scalar, Image]],
) -> tuple[DipState, Info]:
    """Takes one optimiser step down ``objective``, which returns the loss and the image."""
    (loss, image), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(
        grads,
        state.opt_state,
        state.params,
        value=loss,
        grad=grads,
        value_fn=_for_line_search(lambda params: objective(params)[0]),
    )
    params = optax.apply_updates(state.params, updates)
    state = state._replace(params=params, opt_state=opt_state, count=state.count + 1)
    return state, Info(loss, image, {})


def _for_line_search(loss: Callable[[Params], Scalar]) -> Callable[[Params], Scalar]:
    """Returns ``loss`` with a gradient that is fast inside a line search's loop too."""
    value_and_grad = canonical(jax.value_and_grad(loss), everywhere=True)
    searched = jax.custom_vjp(loss)

    def backward(grads: Params, cotangent: Scalar) -> tuple[Params]:
        return (jax.tree.map(lambda grad: cotangent * grad, grads),)

    searched.defvjp(value_and_grad, backward)
    return searched
