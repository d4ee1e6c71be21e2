import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import color
from skimage import metrics as skimage_metrics

from dip_jax import metrics
from dip_jax.metrics import psnr_8_bit, psnr_full_depth, rank_correlation, to_uint8
from tests.toy import picture


def test_psnr_equals_scikit_image():
    a = np.asarray(picture(20, 24, 3))
    b = np.clip(a + 0.1 * np.random.default_rng(0).normal(size=a.shape), 0, 1)
    expected = skimage_metrics.peak_signal_noise_ratio(a, b, data_range=1)
    np.testing.assert_allclose(metrics.psnr(jnp.float32(b), jnp.float32(a)), expected, 1e-5)


def test_luma_equals_scikit_image():
    a = np.asarray(picture(20, 24, 3))
    np.testing.assert_allclose(metrics.luma(a)[..., 0] * 255, color.rgb2ycbcr(a)[..., 0], rtol=1e-5)
    grey = a[..., :1]
    np.testing.assert_allclose(metrics.luma(grey), metrics.luma(np.repeat(grey, 3, -1)), rtol=1e-4)


def test_psnr_luma_leaves_the_border_out():
    a = picture(20, 24, 3)
    spoiled = a.at[:4].set(0).at[:, -4:].set(1)
    assert metrics.psnr_luma(spoiled + 0.1, a) == pytest.approx(
        float(metrics.psnr_luma(a + 0.1, a)), abs=1e-4
    )
    assert np.isfinite(metrics.psnr_luma(a[:6, :6] + 0.1, a[:6, :6]))


@pytest.mark.parametrize("beta", [0.5, 1])
def test_total_variation_equals_the_original(golden_folder, beta):
    with np.load(golden_folder / "operators.npz") as golden:
        image = jnp.asarray(golden["x"][0].transpose(1, 2, 0))
        expected = golden[f"tv_beta{beta}"]
    np.testing.assert_allclose(metrics.total_variation(image, beta), expected, rtol=1e-5)


def test_total_variation_of_a_flat_image_has_a_finite_gradient():
    value, gradient = jax.value_and_grad(metrics.total_variation)(jnp.full((5, 4, 2), 0.3))
    assert value == 0
    assert not np.any(gradient)


def test_rank_correlation_is_of_blocks():
    rng = np.random.default_rng(0)
    scale = np.repeat(np.repeat(rng.random((8, 8)), 8, 0), 8, 1)
    reference = np.zeros((64, 64, 3))
    image = scale[:, :, None] * rng.normal(size=reference.shape)
    assert rank_correlation(scale, image, reference) > 0.95
    assert rank_correlation(1 - scale, image, reference) < -0.95
    assert rank_correlation(np.ones((64, 64)), image, reference) == 0
    assert abs(rank_correlation(scale[:5, :60], image[:5, :60], reference[:5, :60])) <= 1


def test_to_uint8_rounds_and_clips():
    values = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1, 2, np.inf])
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 0, 1, 255, 255, 255, 255])
    steps = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(steps / np.float32(255)), steps)
    with pytest.raises(ValueError, match="uint8"):
        to_uint8(steps)


def test_psnr_at_8_bits_equals_scikit_image():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 20, 24, 3))
    expected = skimage_metrics.peak_signal_noise_ratio(to_uint8(a), to_uint8(b), data_range=255)
    assert psnr_8_bit(b, a) == pytest.approx(expected, abs=1e-9)
    assert psnr_8_bit(a, a + 0.1 / 255 * (a < 0.5)) > 55
    assert psnr_8_bit(a, to_uint8(a) / 255) == np.inf
    with pytest.raises(ValueError, match="one shape"):
        psnr_8_bit(a, a[:1])


def test_psnr_at_full_depth_rounds_nothing():
    a = np.random.default_rng(0).random((20, 24, 3))
    error = 0.1 / 255
    assert psnr_full_depth(a, a) == np.inf
    assert psnr_full_depth(a, a + error) == pytest.approx(-20 * np.log10(error))
    ones = np.ones((4, 4, 1))
    assert psnr_full_depth(ones + 1, ones) == np.inf  # clipped


@pytest.mark.slow
def test_complex_images_and_volumes():
    image, reference = jnp.full((4, 5, 1), 0.3 + 0.4j), jnp.zeros((4, 5, 1))
    np.testing.assert_allclose(metrics.psnr(image, reference), 10 * np.log10(4), rtol=1e-5)
    volume = jnp.zeros((3, 4, 5, 1))
    np.testing.assert_allclose(metrics.psnr(volume + 0.1, volume), 20, rtol=1e-5)
    z, y, x = jnp.meshgrid(jnp.arange(3.0), jnp.arange(4.0), jnp.arange(5.0), indexing="ij")
    slope = (2 * z + 3 * y + 6 * x)[:, :, :, None]
    np.testing.assert_allclose(metrics.total_variation(slope), 2 * 3 * 4 * 7, rtol=1e-5)
    np.testing.assert_allclose(metrics.total_variation(1j * slope), 2 * 3 * 4 * 7, rtol=1e-5)
