"""Wiener filtering in windows, against a plain computation of its formula."""

import numpy as np
import pytest

from dip_jax.colors import OPPONENT
from dip_jax.noise import NoiseModel
from dip_jax.wiener import filter_windows

SIDE, STRIDE, MARGIN = 16, 4, 12
RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[:21, :26]
CLEAN = (0.5 + 0.2 * np.sin((ROWS + 2 * COLUMNS) / 3))[:, :, None] * np.array([1.0, 0.8, 0.6])
KERNEL = np.zeros((3, 3, 3, 3))
KERNEL[1, :, [0, 1, 2], [0, 1, 2]] = [0.5, 0.7, 0.5]  # neighbours in a row share the noise
KERNEL[:, :, 0, 1] += 0.1
DEVIATION = 0.04 + 0.06 * np.linspace(0, 1, 9)[:, None] * np.array([1.0, 0.5, 0.8])
NOISE = NoiseModel("measured", 20.0, False, DEVIATION, KERNEL)
NOISE_OF_255 = NoiseModel("gaussian", 255.0)
NOISY = CLEAN + 0.07 * RNG.standard_normal(CLEAN.shape)
RESTORED = CLEAN + 0.02 * RNG.standard_normal(CLEAN.shape)


def filter_by_formula(y, restored, deviation):
    """Filters one window after the other; its noise has the covariance of the pixels in it."""
    line = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)
    window = np.outer(line, line)
    margins = [(MARGIN, MARGIN + -side % STRIDE) for side in y.shape[:2]] + [(0, 0)]
    noisy, pilot, spread = (np.pad(a, margins, "symmetric") for a in (y, restored, deviation))
    # The noise is a sum over places and inputs, each of which adds the power of its own answer.
    answers = [
        np.fft.fft2(window * _answer(KERNEL[:, :, :, i], row, column))
        for row in range(-1, SIDE + 1)
        for column in range(-1, SIDE + 1)
        for i in range(3)
    ]
    total, weights = np.zeros(noisy.shape), np.zeros((*noisy.shape[:2], 1))
    for row in range(0, noisy.shape[0] - SIDE + 1, STRIDE):
        for column in range(0, noisy.shape[1] - SIDE + 1, STRIDE):
            part = np.s_[row : row + SIDE, column : column + SIDE]
            mean = pilot[part].mean(axis=(0, 1))
            mixed = OPPONENT * spread[part].mean(axis=(0, 1))
            power = sum(np.abs(np.einsum("tc,cuv->tuv", mixed, a)) ** 2 for a in answers)
            own, guide = (
                np.fft.fft2(np.moveaxis(((a[part] - mean) * window[:, :, None]) @ OPPONENT.T, 2, 0))
                for a in (noisy, pilot)
            )
            signal = np.abs(guide) ** 2
            found = np.moveaxis(np.fft.ifft2(signal / (signal + power) * own).real, 0, 2)
            total[part] += window[:, :, None] * (found @ OPPONENT + window[:, :, None] * mean)
            weights[part] += window[:, :, None] ** 2
    inside = np.s_[MARGIN : MARGIN + y.shape[0], MARGIN : MARGIN + y.shape[1]]
    return (total / weights)[inside]


def _answer(kernel, row, column):
    """Returns what a spike at a place makes of a window, ``[c, 16, 16]``."""
    canvas = np.zeros((3, SIDE + 4, SIDE + 4))
    canvas[:, row + 1 : row + 4, column + 1 : column + 4] = np.moveaxis(kernel, 2, 0)
    return canvas[:, 2:-2, 2:-2]


@pytest.mark.slow
def test_windows_are_filtered_by_the_formula():
    deviation = np.stack(
        [np.interp(RESTORED[:, :, c], np.linspace(0, 1, 9), DEVIATION[:, c]) for c in range(3)], 2
    )
    expected = filter_by_formula(NOISY, RESTORED, deviation)
    found = filter_windows(np.float32(NOISY), np.float32(RESTORED), NOISE)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_without_noise_the_picture_comes_back():
    y = RNG.random((19, 33, 1), np.float32)
    found = filter_windows(y, RNG.random(y.shape, np.float32), NoiseModel("gaussian", 1e-4))
    np.testing.assert_allclose(found, y, atol=1e-4)


def test_of_strong_noise_the_means_of_what_is_restored_are_left():
    y = RNG.random((19, 33, 1), np.float32)
    restored = np.full(y.shape, 0.3, np.float32)
    np.testing.assert_allclose(filter_windows(y, restored, NOISE_OF_255), restored, atol=1e-5)


def error(image):
    return np.sqrt(np.mean((np.asarray(image) - CLEAN) ** 2))


def test_faint_detail_comes_back():
    mean = CLEAN.mean(axis=(0, 1))
    faint = mean + 0.5 * (CLEAN - mean)
    found = filter_windows(np.float32(NOISY), np.float32(faint), NOISE)
    assert error(found) < 0.7 * min(error(faint), error(NOISY))


@pytest.mark.parametrize("shape", [(5, 5, 1), (1, 40, 3), (17, 3, 2)])
def test_small_pictures_come_back_finite(shape):
    y = RNG.random(shape, np.float32)
    found = filter_windows(y, np.full(shape, 0.5, np.float32), NoiseModel("gaussian", 20.0))
    assert found.shape == shape
    assert np.isfinite(found).all()


def test_wrong_pictures_are_refused():
    whole = np.zeros((20, 20, 1), np.uint8)
    with pytest.raises(ValueError, match="y is of uint8: must be float"):
        filter_windows(whole, whole, NoiseModel("gaussian", 20.0))
    with pytest.raises(ValueError, match="restored has the shape"):
        filter_windows(np.zeros((20, 20, 1)), np.zeros((20, 20)), NoiseModel("gaussian", 20.0))
