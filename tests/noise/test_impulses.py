"""Impulses are found, and strokes, highlights and clipped noise are not taken for them."""

import numpy as np
import pytest

from dip_jax.noise import find_impulses, identify_noise

RNG = np.random.default_rng(3)
ROWS, COLUMNS = np.mgrid[0:120, 0:140] / 140
CLEAN = np.stack([0.2 + 0.6 * COLUMNS, 0.3 + 0.4 * ROWS, 0.5 + 0.2 * COLUMNS], axis=2)


def add_impulses(image, share):
    place = RNG.random(image.shape[:2])
    image = image.copy()
    image[place < share / 2] = 0
    image[place > 1 - share / 2] = 1
    return image, (place < share / 2) | (place > 1 - share / 2)


@pytest.mark.parametrize("share", [0.005, 0.05, 0.3])
def test_salt_and_pepper_are_found(share):
    noisy, there = add_impulses(CLEAN, share)
    found = find_impulses(noisy)
    assert np.mean(found[there]) > 0.99
    assert not found[~there].any()


def test_the_verdict_knows_them_and_the_noise_besides():
    sigma = 10 / 255
    noisy, there = add_impulses(CLEAN + sigma * RNG.standard_normal(CLEAN.shape), 0.05)
    verdict = identify_noise(np.clip(noisy, 0, 1))
    assert verdict.kind == "impulses"
    np.testing.assert_array_equal(verdict.known[:, :, 0], ~there)
    assert verdict.noise.level == pytest.approx(10, rel=0.2)


def test_nothing_else_is_taken_for_impulses():
    text = np.ones((120, 140, 1))
    text[20:100:7, 10:120] = 0
    text[20:100, 15:120:9] = 0
    strong = np.clip(CLEAN + 0.25 * RNG.standard_normal(CLEAN.shape), 0, 1)
    stars = np.zeros((120, 140, 1))
    for row, column in RNG.integers(4, 110, (60, 2)):
        stars[row : row + 3, column : column + 3] = 1
    for picture in (CLEAN, text, strong, stars, RNG.integers(0, 2, (60, 60, 1)) * 1.0):
        assert find_impulses(picture) is None
    assert find_impulses(np.ones((2, 1, 1))) is None
