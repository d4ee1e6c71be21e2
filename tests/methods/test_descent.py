"""A parameter that goes down a parabola."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax import loop
from dip_jax.methods.descent import carry, descend, start, warm_start
from tests.toy import Gain, Toy

KEY = jax.random.key(0)
Z = {"z": jnp.ones((2, 2, 1))}


def objective(params):
    return (params["gain"] - 3) ** 2, jnp.full((2, 2, 1), params["gain"])


def test_the_start_has_the_generators_parameters_and_a_key_of_its_own():
    state = start(Gain(), optax.sgd(0.1), KEY, Z, Z["z"])
    assert state.params["gain"] == 1
    assert state.z is Z
    assert (state.count, state.count.dtype) == (0, jnp.int32)
    assert jnp.any(jax.random.key_data(state.key) != jax.random.key_data(KEY))


def test_a_step_goes_down_and_tells_of_where_it_was():
    optimizer = optax.sgd(0.25)
    before = start(Gain(), optimizer, KEY, Z, Z["z"])
    state, info = descend(optimizer, before, objective)
    assert info.loss == 4
    np.testing.assert_array_equal(info.image, np.ones((2, 2, 1)))
    assert info.metrics == {}
    assert state.params["gain"] == 2
    assert state.count == 1
    assert state.z is Z


@pytest.mark.slow
def test_a_line_search_gets_the_loss_and_its_gradient():
    optimizer = optax.lbfgs()
    state = start(Gain(), optimizer, KEY, Z, Z["z"])
    for _ in range(2):
        state, info = jax.jit(lambda state: descend(optimizer, state, objective))(state)
    np.testing.assert_allclose(state.params["gain"], 3, atol=1e-3)
    assert info.loss < 4


def fitted(key, steps=3):
    """Returns an algorithm in wrappers, and its state after some steps."""
    fit = dip_jax.average(
        dip_jax.dip(Gain(), optax.adam(lambda count: 0.1 / (1 + count)), jitter=0.0)
    )
    fit = dip_jax.backtrack(dip_jax.measured(fit))
    task = dip_jax.denoise(jnp.full((2, 2, 1), 3.0))
    return fit, task, dip_jax.run(fit, key, task, jnp.ones((2, 2, 1)), steps=steps)[0]


def test_a_warm_start_goes_on_from_the_earlier_fit():
    fit, task, earlier = fitted(KEY)
    _, _, fresh = fitted(jax.random.key(1), steps=0)
    carried = carry(earlier)
    state = warm_start(fresh, carried, count=7)
    assert carry(state).params == carried.params
    moments, schedule = carry(state).opt_state
    assert moments.mu == carried.opt_state[0].mu
    assert (moments.count, schedule.count) == (7, 7)
    # All else is fresh, and nothing of the earlier fit is used up.
    differing = [
        not np.array_equal(one, other)
        for one, other in zip(*map(plain_leaves, (state, fresh)), strict=True)
    ]
    assert sum(differing) == len(jax.tree.leaves(carried)) * 2  # what backtrack keeps as well
    state, trace = dip_jax.advance(fit, state, task, steps=1)
    assert trace["loss"][0] == pytest.approx(float((2.5 - carried.params["gain"]) ** 2), rel=1e-5)


def plain_leaves(state):
    keys = jax.dtypes.prng_key
    return [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, keys) else leaf
        for leaf in jax.tree.leaves(state)
    ]


def test_what_can_be_carried():
    with pytest.raises(ValueError, match="holds no fit"):
        carry((jnp.zeros(()),))
    _, _, state = fitted(KEY)
    with pytest.raises(ValueError, match="count=-1: must be at least 0"):
        warm_start(state, carry(state), count=-1)
    plain = start(Gain(), optax.sgd(0.1), KEY, Z, Z["z"])  # whose optimiser counts nothing
    assert warm_start(plain, carry(plain), count=3).params == plain.params


def test_a_warm_start_compiles_nothing():
    fit = dip_jax.dip(Toy(), optax.adam(0.1))
    task, z = dip_jax.denoise(jnp.full((8, 8, 1), 0.3)), jnp.ones((8, 8, 2))
    state, _ = dip_jax.run(fit, jax.random.key(0), task, z, steps=2)
    programs = loop.compilations(jax.default_backend())
    fresh, _ = dip_jax.run(fit, jax.random.key(1), task, z, steps=0)
    dip_jax.advance(fit, warm_start(fresh, carry(state), count=0), task, steps=2)
    assert loop.compilations(jax.default_backend()) == programs
