"""Damage to clean pictures."""

import numpy as np
import pytest

from dip_jax.damage import add_noise, add_poisson_noise, blur, random_mask
from dip_jax.operators import box_kernel, motion_kernel

GREY = np.full((64, 64, 3), 0.5, np.float32)


def test_noise_has_its_level():
    noise = add_noise(GREY, sigma=20, seed=0) - GREY
    assert noise.dtype == np.float32
    assert noise.std() * 255 == pytest.approx(20, rel=0.03)
    assert abs(noise.mean()) * 255 < 1


def test_photons_have_their_gain():
    noisy = add_poisson_noise(GREY, gain=5, seed=0)
    assert noisy.var() / noisy.mean() * 255 == pytest.approx(5, rel=0.06)
    counts = noisy * 255 / 5
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-4)


@pytest.mark.parametrize("damage", [add_noise, add_poisson_noise])
def test_the_seed_decides_and_values_are_clipped(damage):
    first = damage(GREY, 200, seed=3)
    np.testing.assert_array_equal(first, damage(GREY, 200, seed=3))
    assert np.any(first != damage(GREY, 200, seed=4))
    assert first.min() >= 0
    assert first.max() == 1


def test_blur_mirrors_the_border_and_convolves():
    image = np.zeros((9, 9, 2), np.float32)
    image[4, 4] = 1
    kernel = motion_kernel(3, 45)
    np.testing.assert_allclose(blur(image, kernel)[3:6, 3:6, 1], kernel, atol=1e-7)
    np.testing.assert_allclose(blur(GREY, box_kernel(5)), GREY, atol=1e-6)


def test_random_mask_hides_its_share():
    mask = random_mask((100, 50), missing=0.3, seed=0)
    assert mask.shape == (100, 50, 1)
    assert set(np.unique(mask)) == {0, 1}
    assert mask.mean() == pytest.approx(0.7, abs=0.03)
