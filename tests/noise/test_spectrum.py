"""What smooth blocks say of the noise: level, correlation, texture."""

import numpy as np
import pytest

from dip_jax.noise import identify_noise
from dip_jax.noise.spectrum import measure_spectrum
from tests.noise.scene import CLEAN, RNG, ROWS, noise


@pytest.mark.parametrize(("kind", "least", "most"), [("white", 0, 0.15), ("filtered", 0.55, 0.8)])
@pytest.mark.parametrize("sigma", [4, 15])
def test_level_and_correlation(kind, least, most, sigma):
    found = measure_spectrum(np.clip(CLEAN + sigma / 255 * noise(kind), 0, 1))
    assert found.level == pytest.approx(sigma, rel=0.15)
    assert least < found.correlation < most
    assert found.excess < 0.2


def draw_leaves(seed):
    """Squares of one grey each that hide each other, over slow shading."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((160, 160, 1))
    for _ in range(400):
        row, column, size = rng.integers(-30, 160), rng.integers(-30, 160), rng.integers(9, 50)
        picture[max(row, 0) : row + size, max(column, 0) : column + size] = rng.random()
    return 0.9 * picture + 0.1 * ROWS[..., None]


def test_leaves_that_hide_each_other_are_no_noise():
    assert measure_spectrum(draw_leaves(0)).level < 0.5
    for seed in range(8):
        assert identify_noise(draw_leaves(seed)).kind == "none"


def test_too_small_or_flat_pictures_tell_nothing():
    assert measure_spectrum(np.zeros((100, 100, 3))) is None
    assert measure_spectrum(RNG.random((30, 40, 1))) is None
    assert measure_spectrum(RNG.random((5, 400, 3))) is None
