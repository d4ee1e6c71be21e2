"""What every method does with a generator's parameters: draw, carry over, and take a step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dip_jax.base import Array, Generator, Image, Info, Key, Params, Scalar, State
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


class Carried(NamedTuple):
    """What a fit passes on to the next: its parameters and the state of its optimiser."""

    params: Params
    opt_state: optax.OptState


def carry(state: State) -> Carried:
    """Returns what ``state``, of any method in any wrappers, passes on to another fit.

    The arrays are copies on the host: the loop may take over the state's memory.

    Raises:
      ValueError: if it holds no fit.
    """
    found: list[DipState] = []
    jax.tree.map(lambda node: found.append(node) if _is_fit(node) else None, state, is_leaf=_is_fit)
    if not found:
        raise ValueError("state: holds no fit of a method")
    return jax.tree.map(np.array, Carried(found[0].params, found[0].opt_state))


def warm_start(state: State, carried: Carried, *, count: int) -> State:
    """Returns a fresh state that continues from an earlier fit's parameters.

    A network that has learned to restore one part of a picture, or one frame, needs a fraction of
    the steps for the next. All else is as in ``state``: the input, the key, averages.

    Args:
      state: of the same algorithm's ``init``, in any wrappers.
      carried: from :func:`carry` of the earlier fit, with a network of the same shape.
      count: the optimiser's step from which its schedule continues, at least 0. The last hundred
        steps of a schedule of 400 begin at 300.

    Raises:
      ValueError: if ``count`` is negative.
    """
    if count < 0:
        raise ValueError(f"count={count!r}: must be at least 0")
    opt_state = carried.opt_state
    if optax.tree_utils.tree_get_all_with_path(opt_state, "count"):
        opt_state = optax.tree_utils.tree_set(opt_state, count=np.int32(count))

    def replace(node: Any) -> Any:
        if not _is_fit(node):
            return node
        fresh = (node.params, node.opt_state)
        params, learned = jax.tree.map(_like, fresh, (carried.params, opt_state))
        return node._replace(params=params, opt_state=learned)

    return jax.tree.map(replace, state, is_leaf=_is_fit)


def _is_fit(node: Any) -> bool:
    return isinstance(node, DipState)


def _like(fresh: Array, value: Any) -> Array:
    """Returns a copy of ``value`` on the device of ``fresh``."""
    # Tied to the device only if that is: otherwise the loop would compile again.
    with jax.default_device(next(iter(fresh.devices()))):
        return jnp.array(value, fresh.dtype, device=fresh.sharding if fresh.committed else None)


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
