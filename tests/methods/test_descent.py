"""A parameter that goes down a parabola."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dip_jax.methods.descent import descend, start
from tests.toy import Gain

pytestmark = pytest.mark.usefixtures("programs_compiled_in_haste")
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


def test_a_line_search_gets_the_loss_and_its_gradient():
    optimizer = optax.lbfgs()
    state = start(Gain(), optimizer, KEY, Z, Z["z"])
    for _ in range(2):
        state, info = jax.jit(lambda state: descend(optimizer, state, objective))(state)
    np.testing.assert_allclose(state.params["gain"], 3, atol=1e-3)
    assert info.loss < 4
