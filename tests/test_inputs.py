import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import inputs

KEY = jax.random.key(0)


@pytest.mark.slow
def test_noise_is_uniform_up_to_its_scale_and_follows_from_the_key():
    z = inputs.uniform(KEY, 40, 50, depth=8, scale=0.2)
    assert z.shape == (40, 50, 8)
    assert 0 <= z.min() < 0.001
    assert 0.199 < z.max() < 0.2
    np.testing.assert_allclose(z.std(), 0.2 / 12**0.5, rtol=0.02)
    np.testing.assert_array_equal(z, inputs.uniform(KEY, 40, 50, depth=8, scale=0.2))
    assert inputs.uniform(KEY, 4, 5).shape == (4, 5, 32)
    assert inputs.uniform(KEY, 4, 5).max() < 0.1


def test_coordinates_go_from_corner_to_corner():
    z = inputs.meshgrid(3, 5)
    assert z.shape == (3, 5, 2)
    np.testing.assert_allclose(z[1], np.stack([np.linspace(0, 1, 5), np.full(5, 0.5)], 1))
    np.testing.assert_allclose(z[:, 4], np.stack([np.ones(3), np.linspace(0, 1, 3)], 1))


def test_a_guide_has_the_range_of_noise_in_each_channel():
    image = np.stack([np.linspace(-500, 300, 20), np.full(20, 7.0)], 1).reshape(4, 5, 2)
    z = inputs.guide(jnp.asarray(image))
    assert z.dtype == np.float32
    np.testing.assert_allclose(z[:, :, 0].ravel(), np.linspace(0, 0.1, 20), atol=1e-6)
    assert not z[:, :, 1].any()
    turned = inputs.guide(image[:, :, :1] * 1j, scale=1.0)
    assert turned.shape == (4, 5, 2)
    np.testing.assert_allclose(turned[:, :, 1].ravel(), np.linspace(0, 1, 20), atol=1e-6)
    assert not turned[:, :, 0].any()
    with pytest.raises(ValueError, match="not finite"):
        inputs.guide(np.full((4, 5, 1), np.nan))
