import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jax.tree_util import Partial

from dip_jax import losses

Y = jnp.array([1.0, 2.0, 0.0, 4.0])
MEASURED = jnp.array([1.5, 1.0, 0.3, 4.0])


def test_squared_takes_the_absolute_value_of_complex_differences():
    np.testing.assert_allclose(losses.squared(MEASURED, Y), [0.25, 1, 0.09, 0], rtol=1e-5)
    np.testing.assert_allclose(losses.squared(MEASURED + 2j, Y + 0j)[0], 4.25, rtol=1e-6)


def test_huber_is_squared_near_zero_and_straight_beyond():
    found = losses.huber(MEASURED, Y, 0.5)
    np.testing.assert_allclose(found, [0.25, 0.75, 0.09, 0], rtol=1e-5)
    # Both pieces meet, in value and in slope.
    slope = jax.grad(lambda d: losses.huber(d, 0.0, 0.5))
    np.testing.assert_allclose([slope(0.4999), slope(0.5001), slope(7.0)], 1, rtol=1e-3)
    assert slope(0.0) == 0
    turned = losses.huber(jnp.array([3j]), jnp.zeros(1, complex), 0.5)
    np.testing.assert_allclose(turned, 2.75, rtol=1e-6)


def test_poisson_differs_from_the_likelihood_by_a_constant():
    expected = jnp.array([0.5, 3.0, 8.0])
    for count in (0.0, 1.0, 6.0):
        minus_twice = -2 * scipy.stats.poisson.logpmf(count, expected)
        found = losses.poisson(expected, jnp.full(3, count))
        np.testing.assert_allclose(np.diff(found), np.diff(minus_twice), rtol=1e-4)
    np.testing.assert_allclose(losses.poisson(expected, expected), 0, atol=1e-5)


def test_poisson_is_finite_where_nothing_is_expected():
    value, gradient = jax.value_and_grad(lambda m: losses.poisson(m, Y).sum())(jnp.zeros(4))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_deviance_of_true_counts_is_about_one():
    y = np.random.default_rng(0).poisson(20, 10_000).astype(np.float32)
    np.testing.assert_allclose(losses.poisson(jnp.full(y.shape, 20.0), y).mean(), 1, atol=0.05)


def test_whitened_differences_are_squared():
    whiten = Partial(lambda matrix, d: matrix @ d, jnp.diag(jnp.array([1.0, 2.0, 3.0, 4.0])))
    found = losses.whitened(MEASURED, Y, whiten)
    np.testing.assert_allclose(found, [0.25, 4, 0.81, 0], rtol=1e-5)
