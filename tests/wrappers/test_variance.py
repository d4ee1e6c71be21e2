"""Variances of a fit's images."""

import jax.numpy as jnp
import numpy as np

import dip_jax
from tests.wrappers.script import play, script


def test_moving_variance_is_the_exponentially_weighted_one():
    _, infos = play(dip_jax.moving_variance(script(jnp.zeros(6)), rate=0.3), 6)
    mean = variance = 0.0
    for image, info in enumerate(infos):
        change = image - mean
        mean += 0.3 * change
        variance = 0.7 * (variance + 0.3 * change**2)
        np.testing.assert_allclose(info.metrics["variance"], variance, rtol=1e-5, atol=1e-7)


def test_windowed_variance_is_that_of_the_last_images():
    _, infos = play(dip_jax.windowed_variance(script(jnp.zeros(9)), window=4, values=3), 9)
    found = [float(info.metrics["variance"]) for info in infos]
    assert found[:3] == [np.inf] * 3
    np.testing.assert_allclose(found[3:], np.var([0, 1, 2, 3]), rtol=1e-5)
    state, _ = play(dip_jax.windowed_variance(script(jnp.zeros(9)), window=4, values=3), 1)
    assert state.recent.shape == (4, 3)
