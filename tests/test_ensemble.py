import jax
import jax.numpy as jnp
import numpy as np

import dip_jax
from tests.toy import picture


def members(count, noise=0.1):
    return picture()[None] + noise * jax.random.normal(jax.random.key(0), (count, *picture().shape))


def test_the_mean_and_the_deviation_of_the_members():
    images = jnp.concatenate([members(4), 2 * members(4), members(4)], axis=3)
    image, deviation, kept = dip_jax.combine(images)
    np.testing.assert_allclose(image, np.mean(images, axis=0), rtol=1e-5)
    squares = np.var(images, axis=0, ddof=1)
    np.testing.assert_allclose(deviation, np.sqrt(squares.mean(axis=2)), rtol=1e-4)
    assert kept.all()


def test_a_member_gone_astray_is_left_out():
    images = members(5)
    for strange in (jnp.nan, 9.0):
        image, _, kept = dip_jax.combine(images.at[2].set(strange))
        assert kept.tolist() == [True, True, False, True, True]
        np.testing.assert_allclose(image, np.mean(np.delete(images, 2, axis=0), 0), rtol=1e-5)
    assert dip_jax.combine(images.at[0, 1, 2, 0].set(jnp.inf)).kept.tolist() == [False] + [True] * 4


def test_one_two_and_equal_members():
    image, deviation, kept = dip_jax.combine(members(1))
    np.testing.assert_array_equal(image, members(1)[0])
    assert not deviation.any()
    assert kept.tolist() == [True]
    assert dip_jax.combine(members(2)).kept.all()  # there is no telling which is right
    assert dip_jax.combine(jnp.stack([picture()] * 3)).kept.all()
    assert np.isnan(dip_jax.combine(jnp.full((2, 4, 4, 1), jnp.nan)).image).all()
