"""Brightness and contrast taken from the input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import DeepDecoder, Matched
from tests.generators.common import DECODER, KEY, data


class Mirror:
    """A network that returns its input upside down in brightness, at a tenth of the contrast."""

    stride = 4

    def init(self, key, z):
        del key, z
        return {"weight": jnp.full((), -0.1)}

    def apply(self, params, z):
        return 0.7 + params["weight"] * z


def test_an_image_like_the_input_becomes_the_input():
    z = jnp.asarray(data(8, 12, 3)) * jnp.array([[[0.1, 1.0, 3.0]]]) - 0.2
    generator = Matched(Mirror())
    image = generator.apply(generator.init(KEY, z), z)
    np.testing.assert_allclose(image, z + 0.5, atol=1e-3)  # sign, contrast, brightness


@pytest.mark.slow
def test_each_channel_is_the_least_squares_fit_to_the_input():
    z = jnp.asarray(data(8, 16, 3)) - 0.5
    net = DeepDecoder(channels=3, **DECODER)
    generator = Matched(net)
    params = jit(generator.init)(KEY, z)
    image = np.asarray(jit(generator.apply)(params, z))
    plain = np.asarray(jit(net.apply)(params["generator"], z))
    for channel in range(3):
        pixels = plain[:, :, channel].ravel().astype(np.float64)
        matrix = np.stack([pixels, np.ones_like(pixels)], axis=1)
        target = np.asarray(z)[:, :, channel].ravel() + 0.5
        fitted = matrix @ np.linalg.lstsq(matrix, target, rcond=None)[0]
        np.testing.assert_allclose(image[:, :, channel].ravel(), fitted, atol=1e-3)


def test_corrections_scale_and_shift_what_was_matched():
    z = jnp.asarray(data(8, 8, 2)) - 0.5
    generator = Matched(Mirror())
    params = generator.init(KEY, z)
    before = generator.apply(params, z)
    after = generator.apply(params | {"scale": jnp.array([0.0, -10.0])}, z)
    np.testing.assert_allclose(after[:, :, 0], before[:, :, 0], atol=1e-6)
    # The network's contrast is -0.1: -10 more doubles the scale.
    mean = before[:, :, 1].mean()
    np.testing.assert_allclose(after[:, :, 1] - mean, 2 * (before[:, :, 1] - mean), atol=1e-2)
    shifted = generator.apply(params | {"shift": jnp.array([0.25, 0.0])}, z)
    np.testing.assert_allclose(shifted[:, :, 0] - before[:, :, 0], 0.25, atol=1e-6)


@pytest.mark.slow
def test_an_even_image_has_the_mean_of_the_input():
    z = jnp.full((4, 4, 1), 0.3)
    generator = Matched(Mirror())
    image = generator.apply(generator.init(KEY, z), z)
    np.testing.assert_allclose(image, 0.8, atol=1e-6)
    gradient = jax.grad(lambda p: jnp.sum(generator.apply(p, z) ** 2))(generator.init(KEY, z))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_the_stride_is_the_network_s():
    assert Matched(Mirror()).stride == 4


def test_other_channels_are_refused():
    z = jnp.zeros((8, 8, 2))
    generator = Matched(DeepDecoder(channels=3, **DECODER))
    with pytest.raises(ValueError, match=r"the image has shape \(8, 8, 3\), its input \(8, 8, 2\)"):
        jax.eval_shape(lambda: generator.apply(generator.init(KEY, z), z))
