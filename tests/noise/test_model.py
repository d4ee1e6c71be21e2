"""The model of the noise: its standard deviation, and where it was clipped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import damage
from dip_jax.noise import NoiseModel, clipped_mean, invert_clipped_mean, redraw_clipped


def test_the_deviation_follows_the_brightness_of_poisson_noise():
    y = jnp.concatenate([jnp.full((20, 10, 3), 0.2), jnp.full((20, 10, 3), 0.8)], axis=1)
    found = NoiseModel("poisson", 5.1).standard_deviation(y)
    assert found.shape == y.shape
    np.testing.assert_allclose(found[:, :7], (0.02 * 0.2) ** 0.5, rtol=1e-4)
    np.testing.assert_allclose(found[:, 13:], (0.02 * 0.8) ** 0.5, rtol=1e-4)
    np.testing.assert_allclose(NoiseModel("gaussian", 25.5).standard_deviation(y), 0.1, rtol=1e-5)
    assert np.isfinite(
        NoiseModel("poisson", 5.0).standard_deviation(jnp.full((1, 1, 1), -0.1))
    ).all()


def dim(sigma, clip):
    """A dim picture whose noise of ``sigma`` was clipped at 0; or noise that fades with it."""
    y, x = np.mgrid[0:64, 0:64] / 64
    clean = 0.1 * np.stack([x, y, x * y], axis=2)
    if clip:
        return damage.add_noise(clean, sigma, seed=0)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return np.abs(clean * (1 + 0.2 * noise)).astype(np.float32)  # as a camera's: black is clean


def test_clipped_noise_is_told_by_its_blacks():
    given = NoiseModel("gaussian", 25.0)
    assert given.detect_clipping(dim(25, clip=True)).clipped
    assert not given.detect_clipping(dim(25, clip=False)).clipped
    framed = dim(25, clip=False)
    framed[:10] = framed[-10:] = 0  # black by itself
    framed[:, :10] = 1
    for level in (8, 15, 25):
        assert not NoiseModel("gaussian", level).detect_clipping(framed).clipped
    framed = dim(25, clip=True)
    framed[:20] = 0
    assert given.detect_clipping(framed).clipped
    assert not NoiseModel("poisson", 5.0).detect_clipping(dim(25, clip=True)).clipped
    bright = np.full((64, 64, 3), 0.9, np.float32)
    photons = damage.add_poisson_noise(bright, 20, seed=0)
    assert NoiseModel("poisson", 20.0).detect_clipping(photons).clipped
    assert not NoiseModel("poisson", 20.0).detect_clipping(0.5 * photons).clipped
    assert not NoiseModel("gaussian", 0.0).detect_clipping(dim(0, clip=True)).clipped


def test_the_deviation_of_clipped_noise_is_that_of_what_is_left():
    y = damage.add_noise(np.zeros((64, 64, 1)), 50, seed=0)
    noise = NoiseModel("gaussian", 50.0, clipped=True)
    assert float(noise.standard_deviation(jnp.asarray(y)).mean()) == pytest.approx(
        y.std(), rel=0.08
    )
    grey = jnp.full((16, 16, 1), 0.5)
    assert float(noise.standard_deviation(grey).mean()) == pytest.approx(50 / 255, rel=0.05)
    photons = damage.add_poisson_noise(np.full((64, 64, 1), 0.95, np.float32), 20, seed=0)
    left = NoiseModel("poisson", 20.0, clipped=True).standard_deviation(jnp.asarray(photons))
    assert float(left.mean()) == pytest.approx(photons.std(), rel=0.08)


@pytest.mark.slow
def test_of_poisson_noise_white_alone_is_cut_off():
    truth = np.concatenate([np.full((64, 64, 1), b, np.float32) for b in (0.02, 0.5, 0.97)], 1)
    y = jnp.asarray(damage.add_poisson_noise(truth, 15, seed=0))
    noise = NoiseModel("poisson", 15.0, clipped=True)
    deviation, cut = noise.before_clipping(y)
    inside = np.s_[:, 68:188]
    expected = np.sqrt(15 / 255 * truth)
    assert float(abs(deviation - expected)[inside].mean()) < 0.02
    np.testing.assert_array_equal(cut != 0, y >= 1)
    whole = redraw_clipped(jax.random.key(0), y, deviation, cut)
    parts = np.split(np.asarray(whole - truth), 3, axis=1)
    assert max(abs(part.mean()) for part in parts) < 0.01
    model = noise.clipping_model()
    means = clipped_mean(model, jnp.asarray(truth))
    np.testing.assert_allclose(invert_clipped_mean(model, means), truth, atol=2e-3)
    np.testing.assert_allclose(means[:, :128], truth[:, :128], atol=0.01)
