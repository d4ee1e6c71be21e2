"""Clipped noise, against random draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import clipping

LEVELS = jnp.array([0.0, 0.02, 0.1, 0.5, 0.85, 1.0])


@pytest.mark.parametrize("deviation", [0.01, 0.1, 0.3])
def test_moments_are_those_of_draws(deviation):
    draws = jax.random.normal(jax.random.key(0), (200_000, 1))
    values = jnp.clip(LEVELS[None] + deviation * draws, 0, 1)
    mean, spread = clipping.clipped_moments(LEVELS, deviation)
    np.testing.assert_allclose(mean, values.mean(axis=0), atol=0.005 * deviation)
    np.testing.assert_allclose(spread, values.std(axis=0), rtol=0.01)


@pytest.mark.parametrize("deviation", [1e-5, 1e-3, 0.1])
def test_nothing_is_lost_to_rounding(deviation):
    mean, spread = jax.jit(clipping.clipped_moments)(LEVELS, deviation)
    whole = (5 * deviation < LEVELS) & (1 - 5 * deviation > LEVELS)  # there nothing is clipped
    np.testing.assert_allclose(spread[whole], deviation, rtol=1e-5)
    np.testing.assert_allclose(spread[jnp.array([0, -1])], deviation * 0.58382, rtol=1e-4)
    np.testing.assert_allclose(mean[jnp.array([0, -1])], [0.39894 * deviation, 1], atol=deviation)


def test_black_is_brightened_by_known_shares_of_the_noise():
    mean, spread = clipping.clipped_moments(jnp.zeros(()), 0.1)
    assert float(mean) == pytest.approx(0.1 / (2 * np.pi) ** 0.5, rel=1e-4)
    assert float(spread) == pytest.approx(0.1 * (0.5 - 0.5 / np.pi) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.2])
def test_unclip_is_the_inverse(deviation):
    levels = jnp.linspace(0, 1, 57).reshape(3, 19)
    mean, _ = clipping.clipped_moments(levels, deviation)
    np.testing.assert_allclose(clipping.unclip(mean, deviation), levels, atol=1e-4)


def test_unclip_stays_in_range():
    np.testing.assert_array_equal(
        clipping.unclip(jnp.array([-0.3, 0.0, 1.0, 1.2]), 0.2), [0, 0, 1, 1]
    )
