"""The mean of a fit's images."""

import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from tests.wrappers.script import play, script


def test_average_is_the_debiased_exponential_mean():
    algorithm = dip_jax.average(script(jnp.zeros(6)), decay=0.8)
    state, infos = play(algorithm, 5)
    weights = 0.8 ** np.arange(4, -1, -1)
    expected = np.sum(weights * np.arange(5)) / weights.sum()
    np.testing.assert_allclose(algorithm.estimate(state), expected, rtol=1e-5)
    np.testing.assert_allclose(infos[-1].image, expected, rtol=1e-5)
    np.testing.assert_allclose(infos[0].image, 0.0)


def test_a_decay_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"decay=1\.0"):
        dip_jax.average(script([1.0]), decay=1.0)
