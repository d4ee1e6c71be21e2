"""The kind of noise, found from the picture alone."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.app.recipe.degrade import jpeg
from dip_jax.noise import NoiseModel, identify_noise

RNG = np.random.default_rng(5)
ROWS, COLUMNS = np.mgrid[0:160, 0:160] / 160
CLEAN = np.stack([0.2 + 0.6 * COLUMNS, 0.3 + 0.4 * ROWS, 0.5 + 0.2 * COLUMNS], axis=2)
CLEAN[40:90, 30:120] -= 0.15


def draw(kind, sigma=12):
    white = RNG.standard_normal(CLEAN.shape)
    if kind == "correlated":
        soft = gaussian_filter(white, (0.8, 0.8, 0))
        white = soft / soft.std()
    if kind == "stripes":
        white = np.broadcast_to(RNG.standard_normal((1, 160, 1)), CLEAN.shape)
    if kind == "signal-dependent":
        white = white * (0.3 + 1.5 * CLEAN)
    noisy = CLEAN + sigma / 255 * white * (kind != "none")
    return np.round(255 * np.clip(noisy, 0, 1)).astype(np.float32) / 255


@pytest.mark.parametrize("kind", ["none", "white", "correlated", "signal-dependent"])
def test_kinds(kind):
    verdict = identify_noise(draw(kind))
    assert verdict.kind == kind
    assert "correlation of neighbours" in verdict.evidence
    assert (verdict.noise.kernel is not None) == (kind == "correlated")
    assert (verdict.noise.deviation is not None) == (kind in ("correlated", "signal-dependent"))
    if kind != "none":
        assert verdict.noise.level == pytest.approx(12, rel=0.2)
    else:
        assert verdict.noise == NoiseModel("gaussian", 0.0)


@pytest.mark.parametrize(("exposure", "photons"), [(0.15, 120), (1.0, 40)])
def test_photons_are_told_by_a_narrow_range_of_brightness(exposure, photons):
    """Their noise follows the brightness, though it hardly differs within this picture."""
    dark = exposure * (0.45 + 0.8 * (CLEAN - CLEAN.mean()))
    drawn = np.random.default_rng(6).poisson(photons * dark) / photons
    verdict = identify_noise(np.round(255 * np.clip(drawn, 0, 1)) / 255)
    assert verdict.kind == "signal-dependent"
    true = np.sqrt(dark / photons)
    found = np.asarray(verdict.noise.standard_deviation_at(dark.astype(np.float32)))
    np.testing.assert_allclose(found, true, rtol=0.25)


def test_stripes_are_correlated():
    verdict = identify_noise(draw("stripes"))
    assert verdict.kind == "correlated"
    kernel = np.abs(verdict.noise.kernel).sum(axis=(2, 3))
    assert kernel.sum(axis=0).max() > 3 * kernel.sum(axis=1).max() / 2


def test_a_small_picture_is_taken_for_white_and_a_drawing_has_no_noise():
    assert identify_noise(RNG.random((30, 40, 3), np.float32)).kind == "unknown"
    drawing = np.zeros((100, 100, 1), np.float32)
    drawing[20:60, 30:70] = 1
    verdict = identify_noise(drawing)
    assert verdict.kind == "none"
    assert verdict.noise.level == 0


def test_the_remains_of_shading_are_no_noise():
    waves = CLEAN + 0.2 * np.sin(COLUMNS * 11)[:, :, None]
    assert identify_noise(waves).kind == "none"


def test_noise_through_jpeg_is_shared_by_the_channels():
    verdict = identify_noise(jpeg(draw("white"), 95))
    assert verdict.kind == "correlated"
    kernel = np.asarray(verdict.noise.kernel)
    shared = np.einsum("uvij,uvkj->ik", kernel, kernel)  # each channel's own is 1
    assert shared[0, 1] > 0.5


def weave(strengths):
    """Soft texture whose strength differs from place to place, as in nature."""
    grain = gaussian_filter(RNG.standard_normal(CLEAN.shape[:2]), 0.8)
    return CLEAN + (strengths * grain / grain.std())[:, :, None]


def test_uneven_texture_is_not_taken_for_noise_of_its_strength():
    rough = gaussian_filter(RNG.standard_normal(CLEAN.shape[:2]), 12)
    strengths = 0.04 * np.exp(1.2 * rough / rough.std())
    assert 255 * np.sqrt(np.mean(strengths**2)) > 15
    assert identify_noise(weave(strengths)).noise.level < 4


def test_texture_of_one_brightness_is_no_noise():
    """Noise does not jump from a tenth to all of its level where a picture gets brighter."""
    verdict = identify_noise(weave(np.where(CLEAN.mean(axis=2) > 0.5, 0.06, 0.004)))
    assert verdict.noise.level < 3


def test_clipped_noise_is_still_seen():
    noisy = np.clip(CLEAN + 0.35 * RNG.standard_normal(CLEAN.shape), 0, 1)
    verdict = identify_noise(noisy)
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(0.35 * 255, rel=0.2)
