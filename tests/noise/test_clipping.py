"""Clipped noise, against random draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.noise import clipping, splitting

clipped_moments, invert_clipping = jit(clipping.clipped_moments), jit(clipping.invert_clipping)
clipped_chance, redraw_clipped = jit(clipping.clipped_chance), jit(clipping.redraw_clipped)
LEVELS = jnp.array([0.0, 0.02, 0.1, 0.5, 0.85, 1.0])


@pytest.mark.parametrize("deviation", [0.01, 0.1, 0.3])
def test_moments_are_those_of_draws(deviation):
    draws = jax.random.normal(jax.random.key(0), (200_000, 1))
    values = jnp.clip(LEVELS[None] + deviation * draws, 0, 1)
    mean, spread = clipped_moments(LEVELS, deviation)
    np.testing.assert_allclose(mean, values.mean(axis=0), atol=0.005 * deviation)
    np.testing.assert_allclose(spread, values.std(axis=0), rtol=0.01)


@pytest.mark.parametrize("deviation", [1e-5, 1e-3, 0.1])
def test_nothing_is_lost_to_rounding(deviation):
    mean, spread = clipped_moments(LEVELS, deviation)
    whole = (5 * deviation < LEVELS) & (1 - 5 * deviation > LEVELS)  # there nothing is clipped
    np.testing.assert_allclose(spread[whole], deviation, rtol=1e-5)
    np.testing.assert_allclose(spread[jnp.array([0, -1])], deviation * 0.58382, rtol=1e-4)
    np.testing.assert_allclose(mean[jnp.array([0, -1])], [0.39894 * deviation, 1], atol=deviation)


def test_black_is_brightened_by_known_shares_of_the_noise():
    mean, spread = clipped_moments(jnp.zeros(()), 0.1)
    assert float(mean) == pytest.approx(0.1 / (2 * np.pi) ** 0.5, rel=1e-4)
    assert float(spread) == pytest.approx(0.1 * (0.5 - 0.5 / np.pi) ** 0.5, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.2])
def test_unclip_is_the_inverse(deviation):
    levels = jnp.linspace(0, 1, 57).reshape(3, 19)
    mean, _ = clipped_moments(levels, deviation)
    np.testing.assert_allclose(invert_clipping(mean, deviation), levels, atol=1e-4)


def test_unclip_stays_in_range():
    np.testing.assert_array_equal(
        invert_clipping(jnp.array([-0.3, 0.0, 1.0, 1.2]), 0.2), [0, 0, 1, 1]
    )


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.0, 0.05, 0.5, 0.93, 1.0])
def test_drawn_again_noise_is_gaussian_as_if_never_clipped(level):
    sigma = 0.1
    keys = jax.random.split(jax.random.key(0))
    image = jnp.full((200_000,), level)
    y = jnp.clip(image + sigma * jax.random.normal(keys[0], image.shape), 0, 1)
    cut = clipped_chance(y, image, sigma)
    beyond = {0.0: 0.5, 0.05: 0.309, 0.5: 0.0, 0.93: 0.242, 1.0: 0.5}[level]
    assert float(jnp.mean(cut != 0)) == pytest.approx(beyond, abs=0.005)
    drawn = redraw_clipped(keys[1], y, sigma, cut)
    np.testing.assert_array_equal(drawn[cut == 0], y[cut == 0])
    noise = (drawn - image) / sigma
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert float(jnp.mean(noise**power)) == pytest.approx(moment, abs=0.02 * power)


@pytest.mark.slow
def test_a_value_is_drawn_beyond_the_limit_whatever_the_estimate():
    y = jnp.array([0.0, 0.0, 0.3, 1.0, 1.0])
    cut = clipped_chance(y, jnp.array([-0.2, 0.9, 0.9, 0.1, 1.4]), 0.1)
    np.testing.assert_allclose(cut, [-0.5, -0.02275, 0, 0.02275, 0.5], atol=1e-4)
    for seed in range(20):
        drawn = redraw_clipped(jax.random.key(seed), y, 0.1, cut)
        assert (drawn[:2] < 0).all()
        assert drawn[2] == y[2]
        assert (drawn[3:] > 1).all()
        assert (jnp.abs(drawn - y) < 0.6).all()
    still = clipped_chance(y, y, 0.0)
    np.testing.assert_array_equal(redraw_clipped(jax.random.key(0), y, 0.0, still), y)


@pytest.mark.slow
def test_drawn_again_two_copies_tell_nothing_of_each_other():
    """Of white with clipped noise the second's mean follows the first, though uncorrelated."""
    sigma, ones = 0.1, jnp.ones((400_000,))
    keys = jax.random.split(jax.random.key(1), 3)
    y = jnp.minimum(ones + sigma * jax.random.normal(keys[0], ones.shape), 1)
    again = redraw_clipped(keys[1], y, sigma, clipped_chance(y, ones, sigma))
    told = []
    for copy, deviation in ((y, clipped_moments(ones, sigma)[1]), (again, sigma)):
        first, second = splitting.recorrupt(keys[2], copy, deviation, 0.5)
        order = jnp.argsort(first).reshape(4, -1)
        told.append(float(jnp.ptp(second[order].mean(axis=1)) / sigma))
    assert told[0] > 0.3
    assert told[1] < 0.05


@pytest.mark.parametrize("level", [0.0, 0.05, 0.93, 1.0])
def test_clipped_values_are_expected_where_they_were(level):
    sigma = 0.1
    image = jnp.full((200_000,), level)
    whole = image + sigma * jax.random.normal(jax.random.key(0), image.shape)
    expected = jit(clipping.expect_unclipped)(jnp.clip(whole, 0, 1), image, sigma)
    assert float(expected.mean()) == pytest.approx(level, abs=0.001)
    inside = (whole > 0) & (whole < 1)
    np.testing.assert_array_equal(expected[inside], whole[inside])
    for beyond in (whole >= 1, whole <= 0):
        if beyond.any():
            mean = float(whole[beyond].mean())
            assert float(expected[beyond].mean()) == pytest.approx(mean, abs=0.002)


def test_a_zero_of_poisson_noise_stays():
    y = jnp.array([0.0, 1.0])
    expected = clipping.expect_unclipped(y, jnp.array([0.1, 0.9]), 0.1, False)
    assert float(expected[0]) == 0
    assert float(expected[1]) > 1
