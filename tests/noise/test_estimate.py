"""The level of the noise, estimated from pictures with noise that is known."""

import numpy as np
import pytest
from skimage.restoration import estimate_sigma

from dip_jax import damage
from dip_jax.noise import estimate_noise


def level(picture, kind="gaussian"):
    found = estimate_noise(picture, kind)
    assert found.kind == kind
    return found.level


@pytest.mark.slow
def test_noise_level_is_estimated():
    y, x = np.mgrid[0:96, 0:80] / 96
    smooth = np.stack([0.3 + 0.4 * x, 0.5 + 0.2 * np.sin(5 * y), 0.6 - 0.3 * x * y], axis=2)
    noise = np.random.default_rng(0).normal(size=smooth.shape)
    for sigma in (5, 25):
        noisy = (smooth + sigma / 255 * noise).astype(np.float32)
        assert level(noisy) == pytest.approx(sigma, rel=0.02)
        # What the median of all coefficients says, where none is of texture or clipped.
        expected = 255 * np.mean(estimate_sigma(noisy, channel_axis=2))
        assert level(noisy) == pytest.approx(expected, rel=0.01)
    assert level(np.zeros((1, 7, 3), np.float32)) == 0
    assert level(np.full((9, 9, 1), 0.5, np.float32)) == pytest.approx(0, abs=1e-6)
    for shape in ((9, 9, 1), (16, 16, 3), (2, 2, 1), (2, 5, 3)):
        assert level(np.zeros(shape, np.float32)) == 0
    smooth[..., 2] = 0.3  # a constant channel tells nothing of the others' noise
    noisy = smooth.astype(np.float32)
    noisy[..., :2] += 0.1 * noise[..., :2].astype(np.float32)
    assert level(noisy) == pytest.approx(25.5, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "given"), [("gaussian", 50), ("gaussian", 75), ("poisson", 10)])
def test_clipping_does_not_make_the_estimate_too_low(kind, given):
    """A picture with dark and light parts: much is clipped at either end."""
    y, x = np.mgrid[0:128, 0:128] / 128
    clean = np.stack([0.1 + 0.8 * x, 0.15 + 0.1 * y, 0.8 + 0.15 * np.sin(3 * x)], axis=2)
    add = damage.add_noise if kind == "gaussian" else damage.add_poisson_noise
    noisy = add(clean, given, seed=0)
    assert level(noisy, kind) == pytest.approx(given, rel=0.06)
    assert not estimate_noise(noisy, kind).clipped  # the fit's to know
    if kind == "gaussian":
        assert 255 * np.mean(estimate_sigma(noisy, channel_axis=2)) < 0.88 * given


def test_texture_of_a_part_is_no_noise():
    """Of what is left, the smoother half counts: half of this picture is of fine texture."""
    y, x = np.mgrid[0:160, 0:160]
    texture = 0.2 * np.sin(1.9 * x + 0.7 * y) * np.sin(2.1 * y) * (x > 80)
    noisy = (0.5 + texture + 10 / 255 * np.random.default_rng(0).normal(size=x.shape))[..., None]
    assert 255 * estimate_sigma(noisy, channel_axis=2)[0] > 15
    assert level(noisy.astype(np.float32)) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("flat", [0.0, 0.5, 1.0])
def test_flat_parts_tell_nothing_of_the_noise(flat):
    """As of a photo in a white margin, or overexposed: 60 % of this one."""
    x = np.mgrid[0:100, 0:120][1] / 120
    noisy = 0.3 + 0.4 * x + 20 / 255 * np.random.default_rng(0).normal(size=x.shape)
    noisy[:60] = flat
    assert level(noisy[..., None].astype(np.float32)) == pytest.approx(20, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("paper", [0.0, 0.9, 1.0])
def test_a_drawing_has_no_noise(paper):
    """Sharp edges on flat paper, such as letters; once there is noise, it is seen."""
    letters = np.random.default_rng(0).random((40, 40)) < 0.06
    drawing = np.where(np.kron(letters, np.ones((3, 3))), 0.4, paper)[..., None]
    assert level(drawing.astype(np.float32)) == 0
    assert level(damage.add_noise(drawing, 8, seed=0)) > 4
    dense = np.where(np.random.default_rng(0).random((40, 40)) < 0.3, 0.4, paper)
    everywhere = np.kron(dense, np.ones((3, 3)))[..., None]  # nowhere flat: unsure, not clean
    assert level(damage.add_noise(everywhere, 2, seed=0)) > 1


def test_dark_and_light_parts_have_a_say_each():
    """Noise that grows with the brightness: not that of the darkest, smoothest part alone."""
    x = np.mgrid[0:200, 0:200][1] / 200
    noise = np.random.default_rng(0).normal(size=x.shape)
    noisy = (0.2 + 0.6 * x + (15 + 10 * x) / 255 * noise)[..., None]
    assert level(noisy.astype(np.float32)) == pytest.approx(20, rel=0.06)


@pytest.mark.slow
def test_the_level_of_mere_noise_ends_at_255():
    scattered = np.random.default_rng(0).integers(0, 2, (64, 64, 1)).astype(np.float32)
    assert level(scattered) == 255


@pytest.mark.slow
def test_few_photons_are_counted_where_nothing_is_clipped():
    """The level of Poisson noise is one of variance."""
    x = np.mgrid[0:128, 0:128][1] / 128
    dim = (0.1 + 0.2 * x)[..., None]
    assert level(damage.add_poisson_noise(dim, 5, seed=0), "poisson") == pytest.approx(5, rel=0.1)
    night = np.concatenate([np.full((256, 128, 1), 0.001), dim])  # a photon in five pixels
    noisy = damage.add_poisson_noise(night, 5, seed=0)
    assert level(noisy, "poisson") == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("gain", [2.0, 8.0])
def test_the_gain_is_estimated(gain):
    y, x = np.mgrid[0:128, 0:128] / 128
    smooth = np.stack([0.2 + 0.6 * x, 0.3 + 0.4 * y, 0.5 + 0.2 * np.sin(3 * x)], axis=2)
    noisy = damage.add_poisson_noise(smooth, gain, seed=0)
    assert noisy.mean() == pytest.approx(smooth.mean(), rel=0.01)
    assert np.var(noisy - smooth) == pytest.approx(gain / 255 * smooth.mean(), rel=0.1)
    assert level(noisy, "poisson") == pytest.approx(gain, rel=0.15)
    assert level(np.zeros((20, 20, 3), np.float32), "poisson") == 0
