"""An algorithm whose losses and images are given in advance."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import dip_jax
from dip_jax.base import Algorithm, Info
from dip_jax.compilation import jit

Z = jnp.zeros((2, 2, 1))
TASK = dip_jax.validate(
    dip_jax.denoise(jnp.zeros((2, 2, 1)), reference=jnp.zeros((2, 2, 1))),
    dip_jax.denoise(jnp.full((2, 2, 1), 4.0)),
)
KEY = jax.random.key(0)


class ScriptState(NamedTuple):
    count: jax.Array
    key: jax.Array
    visits: jax.Array
    """How often each entry was played: not part of what a fit would have."""


def script(losses, random=False):
    """Plays ``losses``; the image of step i is i everywhere (plus noise if random)."""
    losses = jnp.asarray(losses, jnp.float32)

    def init(key, task, z):
        del task, z
        return ScriptState(jnp.zeros((), jnp.int32), key, jnp.zeros(len(losses), jnp.int32))

    def step(state, task):
        del task
        noise = jax.random.uniform(jax.random.fold_in(state.key, state.count)) if random else 0
        image = jnp.full((2, 2, 1), state.count, jnp.float32) + noise
        state = ScriptState(state.count + 1, state.key, state.visits.at[state.count].add(1))
        return state, Info(losses[state.count - 1], image, {})

    def estimate(state):
        return jnp.full((2, 2, 1), state.count, jnp.float32)

    return Algorithm(init, step, estimate)


def play(algorithm, steps):
    state = jit(algorithm.init)(KEY, TASK, Z)
    step, infos = jit(algorithm.step), []
    for _ in range(steps):
        state, info = step(state, TASK)
        infos.append(info)
    return state, infos
