"""The model of noise that was measured in one picture."""

import jax
import numpy as np
import pytest

from dip_jax.noise.coloring import color
from dip_jax.noise.measure import limit_texture, model_noise
from dip_jax.noise.spectrum import SIDE, measure_spectrum
from tests.noise.scene import CLEAN, RNG, noise


def test_the_level_follows_the_brightness():
    deviation = 0.01 + 0.08 * CLEAN.mean(axis=2, keepdims=True)
    found = measure_spectrum(CLEAN + deviation * noise("white"))
    wanted = 0.01 + 0.08 * found.brightness
    np.testing.assert_allclose(np.sqrt(found.variance.mean(axis=1)), wanted, rtol=0.15)
    model = model_noise(found)
    middle = np.asarray(model.standard_deviation_at(np.full((1, 1, 3), found.brightness[2])))
    np.testing.assert_allclose(middle, wanted[2], rtol=0.2)


@pytest.mark.slow
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


def test_beyond_the_brightest_class_the_noise_of_photons_goes_on_rising():
    found = measure_spectrum(0.5 * CLEAN + np.sqrt(0.002 * CLEAN) * noise("white"))
    deviation = np.asarray(model_noise(found, correlated=False).deviation).mean(axis=1)
    brightest = round(32 * found.brightness[-1])
    assert deviation[-1] > 1.15 * deviation[brightest]
    flat = model_noise(measure_spectrum(0.5 * CLEAN + 0.03 * noise("white")), correlated=False)
    assert flat.deviation[-1].mean() < 1.25 * flat.deviation[brightest].mean()


def test_towards_black_the_noise_of_photons_goes_on_falling():
    seen = 0.4 + 0.5 * CLEAN
    found = measure_spectrum(seen + np.sqrt(0.002 * seen) * noise("white"))
    assert found.rising == pytest.approx(1, abs=0.35)
    deviation = np.asarray(model_noise(found, correlated=False).deviation).mean(axis=1)
    assert deviation[0] < 0.5 * np.sqrt(0.002 * 0.4)
    white = measure_spectrum(seen + 0.03 * noise("white"))
    assert abs(white.rising) < 0.4
    assert model_noise(white, correlated=False).deviation[0].min() > 0.8 * 0.03


def test_texture_in_a_cameras_noise_is_left_out():
    order = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    slope = np.exp(-0.32 * order)
    own = (np.eye(3) + 0.4 * (1 - np.eye(3)))[:, :, None, None] * slope
    texture = np.ones((3, 3, 1, 1)) * 40 * np.exp(-0.9 * order)
    base = measure_spectrum(CLEAN + 0.03 * noise("white"))

    def spectrum(power):
        mean = np.einsum("iiuv->i", power) / SIDE**2
        scale = np.sqrt(np.multiply.outer(mean, mean))[:, :, None, None]
        return base._replace(power=power / scale, variance=base.variance * 0 + 1e-3 * mean)

    camera, both = spectrum(own), spectrum(own + texture)
    kept = limit_texture(camera)
    np.testing.assert_allclose(kept.power, camera.power, rtol=1e-6)
    np.testing.assert_allclose(kept.variance, camera.variance, rtol=1e-6)
    left = limit_texture(both)
    assert both.level > 1.5 * camera.level
    assert left.level == pytest.approx(camera.level, rel=0.15)
    # What the channels do not share is no texture.
    for one, other in ((left, both), (left, camera)):
        apart = [s.variance[0, 0] * (s.power[0, 0] - s.power[0, 1]) for s in (one, other)]
        np.testing.assert_allclose(*apart, rtol=1e-6, atol=1e-9)


def test_channels_that_cancel_each_other_leave_a_finite_model():
    base = measure_spectrum(CLEAN + 0.03 * noise("white"))
    opposed = np.ones((SIDE, SIDE)) * (np.eye(3) - 0.6 * (1 - np.eye(3)))[:, :, None, None]
    left = limit_texture(base._replace(power=opposed))
    assert np.isfinite(left.power).all()
    assert np.isfinite(left.variance).all()
    assert np.isfinite(model_noise(left).kernel).all()
