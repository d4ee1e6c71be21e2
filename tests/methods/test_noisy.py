"""Clipped values of a noisy picture are redrawn in each step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dip_jax import noise
from dip_jax.methods.descent import start
from dip_jax.methods.noisy import NoisyInput, redraw_input
from tests.toy import Gain

Y = np.clip(0.05 + 0.1 * np.random.default_rng(0).standard_normal((16, 16, 1)), 0, 1)
Y = Y.astype(np.float32)
SIGMA = np.full(Y.shape, 0.1, np.float32)


def state_of(clipped, count=0):
    z = NoisyInput(jnp.asarray(Y), jnp.asarray(SIGMA), clipped)
    state = start(Gain(), optax.sgd(0.1), jax.random.key(0), z, z.image)
    return state._replace(count=jnp.int32(count))


def test_what_is_not_clipped_stays():
    y, sigma, redrawn = redraw_input(state_of(None))
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(sigma, SIGMA)
    np.testing.assert_array_equal(redrawn, Y)


@pytest.mark.slow
def test_clipped_values_are_redrawn_in_each_step():
    clipped = noise.clipped_chance(jnp.asarray(Y), 0.05, SIGMA)
    first, second = (redraw_input(state_of(clipped, count))[2] for count in (0, 1))
    dark = Y == 0
    assert 0.1 < dark.mean() < 0.6
    for redrawn in (first, second):
        np.testing.assert_array_equal(redrawn[~dark], Y[~dark])
        assert (redrawn[dark] <= 0).all()
        assert redrawn[dark].min() < -0.01
    assert np.any(first != second)
    np.testing.assert_array_equal(first, redraw_input(state_of(clipped))[2])
