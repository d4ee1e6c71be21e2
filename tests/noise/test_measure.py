"""Noise measured in one picture: level, correlation, brightness, texture."""

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.noise.coloring import color
from dip_jax.noise.measure import measure_spectrum, model_noise

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[0:160, 0:160] / 160
CLEAN = np.stack([0.2 + 0.6 * COLUMNS, 0.3 + 0.4 * ROWS, 0.5 + 0.2 * COLUMNS], axis=2)
CLEAN[40:90, 30:120] -= 0.15  # with edges


def noise(kind):
    white = RNG.standard_normal(CLEAN.shape)
    if kind == "filtered":
        soft = gaussian_filter(white, (0.8, 0.8, 0))
        white = soft / soft.std()
    return white


@pytest.mark.parametrize(("kind", "least", "most"), [("white", 0, 0.15), ("filtered", 0.55, 0.8)])
@pytest.mark.parametrize("sigma", [4, 15])
def test_level_and_correlation(kind, least, most, sigma):
    found = measure_spectrum(np.clip(CLEAN + sigma / 255 * noise(kind), 0, 1))
    assert found.level == pytest.approx(sigma, rel=0.15)
    assert least < found.correlation < most
    assert found.excess < 0.2


def test_the_level_follows_the_brightness():
    deviation = 0.01 + 0.08 * CLEAN.mean(axis=2, keepdims=True)
    found = measure_spectrum(CLEAN + deviation * noise("white"))
    wanted = 0.01 + 0.08 * found.brightness
    np.testing.assert_allclose(np.sqrt(found.variance.mean(axis=1)), wanted, rtol=0.15)
    model = model_noise(found)
    middle = np.asarray(model.standard_deviation_at(np.full((1, 1, 3), found.brightness[2])))
    np.testing.assert_allclose(middle, wanted[2], rtol=0.2)


def test_the_models_noise_is_as_correlated_as_what_was_measured():
    found = measure_spectrum(CLEAN + 10 / 255 * noise("filtered"))
    model = model_noise(found)
    white = jax.random.normal(jax.random.key(0), (192, 192, 3))
    drawn = np.asarray(color(white, model.transfer(192, 192)))
    np.testing.assert_allclose(drawn.std(axis=(0, 1)), 1, atol=0.05)
    r = np.corrcoef(np.ravel(drawn[:, :-1]), np.ravel(drawn[:, 1:]))[0, 1]
    assert r == pytest.approx(found.correlation, abs=0.1)


def test_noise_that_all_channels_share_stays_shared():
    grey = np.repeat(RNG.standard_normal((*CLEAN.shape[:2], 1)), 3, axis=2)
    model = model_noise(measure_spectrum(CLEAN + 10 / 255 * grey))
    drawn = color(jax.random.normal(jax.random.key(0), (128, 128, 3)), model.transfer(128, 128))
    r = np.corrcoef(np.ravel(drawn[..., 0]), np.ravel(drawn[..., 2]))[0, 1]
    assert r > 0.9


def test_leaves_that_hide_each_other_are_no_noise():
    picture = np.zeros((160, 160, 1))
    for _ in range(400):
        row, column, size = RNG.integers(-30, 160), RNG.integers(-30, 160), RNG.integers(9, 50)
        picture[max(row, 0) : row + size, max(column, 0) : column + size] = RNG.random()
    assert measure_spectrum(0.9 * picture + 0.1 * ROWS[..., None]).level < 0.5


def test_too_small_or_flat_pictures_tell_nothing():
    assert measure_spectrum(np.zeros((100, 100, 3))) is None
    assert measure_spectrum(RNG.random((30, 40, 1))) is None
    assert measure_spectrum(RNG.random((5, 400, 3))) is None
