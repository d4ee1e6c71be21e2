"""Noise at the few pixels that are brighter than any smooth block."""

import numpy as np
import pytest

from dip_jax.noise import identify_noise
from dip_jax.noise.bright import Bright, join_bright, measure_bright

RNG = np.random.default_rng(0)
GAIN = 5 / 255  # the brightness of a photon
ROWS, COLUMNS = np.mgrid[:192, :192]


def cells(brightness=0.5, radius=9):
    """Round cells with a soft rim on a dark ground, 5 % of the picture."""
    picture = np.full((192, 192), 0.03)
    for row, column in RNG.integers(15, 177, (9, 2)):
        distance = np.hypot(ROWS - row, COLUMNS - column)
        picture = np.maximum(picture, brightness / (1 + np.exp(distance - radius)))
    return picture[:, :, None]


def photons(picture):
    return np.clip(RNG.poisson(picture / GAIN) * GAIN, 0, 1).astype(np.float32)


def test_photons_of_cells_are_measured_by_single_pixels():
    found = measure_bright(photons(cells()), 0.03)
    assert len(found.brightness) >= 2
    assert (np.diff(found.brightness) > 0).all()
    assert found.brightness[0] > 1.5 * 0.03
    assert 0.02 < found.share.sum() < 0.2
    top = found.variance[-1, 0] / (GAIN * found.brightness[-1])
    assert top == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("seed", range(10))
def test_cells_on_a_dark_ground_tell_the_level(seed):
    """Most blocks are of the ground, and hold pixels without any photon."""
    RNG.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    clean = cells(0.7)
    noisy = photons(clean)
    verdict = identify_noise(noisy)
    assert verdict.kind == "signal-dependent"
    true = 255 * np.sqrt(np.mean((noisy - clean) ** 2))
    assert float(verdict.noise.level) == pytest.approx(true, rel=0.1)
    deviation = float(verdict.noise.standard_deviation_at(np.full((1, 1, 1), 0.6)).item())
    assert deviation == pytest.approx((GAIN * 0.6) ** 0.5, rel=0.2)


def test_white_noise_on_cells_stays_white():
    noisy = (cells() + 0.2 + 0.04 * RNG.standard_normal((192, 192, 1))).astype(np.float32)
    verdict = identify_noise(noisy)
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(0.04 * 255, rel=0.05)


@pytest.mark.parametrize("brightest", [0.0, 0.3, 0.9])
def test_where_little_is_bright_nothing_is_measured(brightest):
    picture = np.full((64, 64, 3), 0.3)
    picture[30:35, 30:35] = 0.9
    found = measure_bright(picture, brightest)
    assert not len(found.brightness)
    assert found.variance.shape == (0, 3)
    before = np.array([0.1, 0.2]), np.ones((2, 3))
    for joined, part in zip(join_bright(*before, found), before, strict=True):
        np.testing.assert_array_equal(joined, part)


@pytest.mark.parametrize("channels", [1, 3])
def test_letters_without_noise_do_not_count(channels):
    noisy = 0.12 + 6 / 255 * RNG.standard_normal((160, 160, channels))
    noisy[110:135, 30:130] = 0.8
    found = measure_bright(noisy, 0.12)
    assert (found.brightness < 0.6).all()  # their rim alone
    assert (found.variance < (9 / 255) ** 2).all()
    verdict = identify_noise(noisy.astype(np.float32))
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(6, rel=0.1)


def test_channels_are_measured_apart():
    clean = np.repeat(cells(), 3, axis=2)
    noise = np.array([0.02, 0.04, 0.06]) * RNG.standard_normal(clean.shape)
    found = measure_bright(clean + noise, 0.03)
    np.testing.assert_allclose(np.sqrt(found.variance[-1]), [0.02, 0.04, 0.06], rtol=0.2)


def test_what_is_measured_takes_the_place_of_classes_as_bright():
    bright = Bright(np.array([0.15, 0.4]), np.array([[5.0], [6.0]]), np.array([0.1, 0.1]))
    joined = join_bright(np.array([0.1, 0.2]), np.array([[1.0], [2.0]]), bright)
    np.testing.assert_array_equal(joined[0], [0.1, 0.15, 0.4])
    np.testing.assert_array_equal(joined[1][:, 0], [1, 5, 6])
