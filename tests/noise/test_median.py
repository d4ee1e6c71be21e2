"""The median of noise that a curve has bent."""

import numpy as np
import pytest

from dip_jax.noise import NoiseModel, match_median

RNG = np.random.default_rng(0)
CLEAN = np.linspace(0.3, 0.5, 96)[None, :, None] * np.ones((96, 1, 2))
GAMMA = 2.2


def develop(light):
    """A camera's curve."""
    return np.clip(light, 0, 1) ** (1 / GAMMA)


def measured(deviation):
    table = np.broadcast_to(np.asarray(deviation)[:, None], (len(deviation), 2))
    return NoiseModel("measured", 20.0, False, table.astype(np.float32))


def test_a_bent_mean_is_put_right():
    light = CLEAN**GAMMA
    draws = develop(light + 0.05 * RNG.standard_normal((150, *light.shape)))
    mean, y = draws.mean(axis=0), draws[0]
    # As the noise of the file: strong in the dark, weak in bright parts.
    found = draws.std(axis=0).mean(axis=(0, 2))
    nodes = np.linspace(0, 1, 33)
    noise = measured(np.interp(nodes, mean[0, :, 0], found))
    before, after = (
        np.sqrt(np.mean((image - CLEAN) ** 2)) for image in (mean, match_median(y, mean, noise))
    )
    assert before > 0.007
    assert after < 0.6 * before


def test_a_symmetrical_noise_changes_nothing():
    gray = 0.5 + 0 * CLEAN
    y = gray + 0.1 * RNG.standard_normal(gray.shape)
    np.testing.assert_array_equal(match_median(y, gray, measured(np.full(9, 0.1))), gray)


def test_photons_keep_their_mean():
    clean = 0.25 + 0 * CLEAN
    y = RNG.poisson(clean / 0.1) * 0.1
    assert np.median(y) < 0.21
    np.testing.assert_array_equal(match_median(y, clean, measured(np.full(9, 0.16))), clean)


def test_each_channel_is_shifted_by_itself_and_by_its_noise():
    y = CLEAN + 0.02 * RNG.standard_normal(CLEAN.shape)
    restored = CLEAN + np.array([0.01, 0.0])
    noise = measured(np.linspace(0.0, 0.04, 9))
    change = match_median(y, restored, noise) - restored
    assert (change[..., 1] == 0).all()
    assert (change[..., 0] < 0).all()
    deviation = np.asarray(noise.standard_deviation_at(restored))[..., 0]
    np.testing.assert_allclose(
        change[..., 0] / deviation, change[0, 0, 0] / deviation[0, 0], rtol=1e-4
    )


def test_what_may_be_chance_is_left_out():
    y = RNG.random((6, 7, 2))
    restored = np.full(y.shape, 0.52)
    np.testing.assert_array_equal(match_median(y, restored, measured(np.full(9, 0.3))), restored)


def test_only_what_is_known_counts_and_moves():
    known = np.ones((96, 96, 1))
    known[:, 48:] = 0
    y = np.where(known > 0, CLEAN + 0.02 * RNG.standard_normal(CLEAN.shape), 0.0)
    restored = CLEAN + 0.01
    found = match_median(y, restored, measured(np.full(9, 0.02)), known)
    np.testing.assert_array_equal(found[:, 48:], restored[:, 48:])
    assert found[:, :48].mean() == pytest.approx(CLEAN[:, :48].mean(), abs=0.002)


def test_without_noise_nothing_is_shifted():
    restored = CLEAN + 0.01
    np.testing.assert_array_equal(match_median(CLEAN, restored, measured(np.zeros(9))), restored)


def test_noise_that_reaches_far_may_shift_by_chance():
    line = np.exp(-(np.arange(-10, 11) ** 2) / 18)
    kernel = (np.outer(line, line) / np.sum(line**2))[:, :, None, None] * np.eye(2)
    noise = measured(np.full(9, 0.1))
    restored = np.full((96, 96, 2), 0.5)
    y = restored + 0.01 + 0.1 * RNG.standard_normal(restored.shape)
    assert (match_median(y, restored, noise) > restored).all()
    np.testing.assert_array_equal(
        match_median(y, restored, noise._replace(kernel=kernel)), restored
    )


def test_wrong_pictures_are_refused():
    noise = measured(np.full(9, 0.1))
    with pytest.raises(ValueError, match="restored is of uint8: must be float"):
        match_median(CLEAN, (255 * CLEAN).astype(np.uint8), noise)
    with pytest.raises(ValueError, match="restored has the shape"):
        match_median(CLEAN, CLEAN[:, :, 0], noise)
