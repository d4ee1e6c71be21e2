"""The kind of noise, found from the picture alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from skimage import data

from dip_jax.app.recipe.degrade import jpeg
from dip_jax.noise import NoiseModel, camera_noise, identify_noise, measure_spectrum

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


def photograph(name, height=192, width=192):
    picture = getattr(data, name)()[60 : 60 + height, 120 : 120 + width]
    return (picture if picture.ndim == 3 else picture[:, :, None]) / 255


def as_file(image):
    return np.round(255 * np.clip(image, 0, 1)).astype(np.float32) / 255


def screenshot():
    """A window with a title and small text."""
    image = Image.new("RGB", (192, 160), (240, 240, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 191, 20), fill=(60, 90, 160))
    for row in range(9):
        draw.text((8, 26 + 14 * row), "The quick brown fox jumps", fill=(20, 20, 20))
    return np.asarray(image) / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coffee", "camera", "chelsea"])
def test_photographs_without_noise_have_none(name):
    assert identify_noise(as_file(photograph(name))).kind == "none"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("grass", slice(256, 512), slice(0, 256)),
        ("gravel", slice(0, 256), slice(0, 256)),
        ("immunohistochemistry", slice(0, 256), slice(0, 256)),
        ("astronaut", slice(256, 512), slice(256, 512)),
    ],
)
def test_even_texture_is_not_taken_for_noise(name, rows, columns):
    """It fills the picture, but has more of all frequencies in some blocks than in others."""
    picture = as_file(np.atleast_3d(getattr(data, name)()[rows, columns]) / 255)
    assert identify_noise(picture).kind == "none"
    noisy = as_file(picture + 25 / 255 * RNG.standard_normal(picture.shape))
    assert identify_noise(noisy).noise.level == pytest.approx(25, rel=0.3)


@pytest.mark.parametrize("sigma", [3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nor_is_texture_with_a_little_noise(sigma, seed):
    lawn = data.grass()[256:512, :256, None] / 255
    lawn = as_file(lawn + sigma / 255 * np.random.default_rng(seed).standard_normal(lawn.shape))
    assert identify_noise(lawn).noise.level < 2 * sigma


@pytest.mark.parametrize(("side", "gain"), [(96, 4), (64, 2)])
def test_a_small_ramp_with_soft_photon_noise_has_noise(side, gain):
    """Where noise grows with the brightness, all its frequencies grow together."""
    ramp = np.linspace(0.05, 0.95, side)[None, :, None] * np.ones((side, 1, 1))
    soft = gaussian_filter(np.random.default_rng(0).standard_normal(ramp.shape), (0.7, 0.7, 0))
    noisy = as_file(ramp + soft / soft.std() * np.sqrt(ramp * gain / 255))
    assert abs(measure_spectrum(noisy).together) < 0.3
    assert identify_noise(noisy).kind == "correlated"


def hidden_scene():
    return as_file(data.immunohistochemistry()[:256, :256] / 255)


def test_a_cameras_noise_can_be_assumed_where_texture_hides_it():
    assert identify_noise(hidden_scene()).kind == "none"
    verdict = identify_noise(hidden_scene(), hidden=3.5)
    assert verdict.kind == "assumed"
    assert (verdict.noise.kind, verdict.noise.level) == ("measured", pytest.approx(3.5))
    assert verdict.noise.kernel is not None
    # The root mean square of what it draws is its level.
    told = camera_noise(hidden_scene(), 6.0)
    assert told.level == pytest.approx(6)
    assert 255 * np.sqrt(np.mean(np.square(told.deviation))) == pytest.approx(6, rel=0.3)


@pytest.mark.parametrize("kind", ["white", "correlated", "signal-dependent"])
def test_noise_that_is_found_counts_as_it_is(kind):
    noisy = draw(kind)
    found, asked = identify_noise(noisy), identify_noise(noisy, hidden=3.5)
    assert asked.kind == found.kind == kind
    assert asked.noise.level == found.noise.level


def test_nothing_is_assumed_in_drawings_and_in_smooth_pictures():
    smooth = np.float32(0.4 + 0.05 * COLUMNS[:, :, None])
    for picture in (as_file(screenshot()), smooth, np.full((90, 90, 3), 0.5, np.float32)):
        assert identify_noise(picture, hidden=3.5).kind == "none"
    with pytest.raises(ValueError, match="too few smooth parts"):
        camera_noise(np.full((90, 90, 3), 0.5, np.float32), 4.0)


def test_a_cameras_noise_on_texture_is_found_by_its_colours():
    """Each channel has its own, and blocks with more coarse noise have no more fine noise."""
    rng = np.random.default_rng(0)
    shape = (256, 256, 3)
    luma = gaussian_filter(rng.standard_normal(shape[:2]), 1.0)[:, :, None]
    own = gaussian_filter(rng.standard_normal(shape), (1.0, 1.0, 0))
    rows, columns = np.mgrid[0:256, 0:256] / 256
    shading = (0.3 + 0.3 * rows + 0.2 * columns)[:, :, None]
    strength = np.where(columns > 0.5, 9, 5)[:, :, None] / 255
    grain = luma / luma.std() + own / own.std()
    picture = as_file(shading + strength * grain)
    found = measure_spectrum(picture)
    assert found.sharing < 0.8
    assert found.together < 0.45
    assert identify_noise(picture).kind == "correlated"


def test_screenshots_and_pages_of_one_bit_have_none():
    window = as_file(screenshot())
    page = (window[:, :, :1] > 0.5).astype(np.float32)
    for picture in (window, jpeg(window, 30), page, as_file(0.1 + 0.8 * page)):
        verdict = identify_noise(picture)
        assert verdict.kind == "none"
        assert "flat to the bit" in verdict.evidence


def test_black_bars_of_a_film_still_do_not_disturb():
    noisy = as_file(photograph("coffee") + 15 / 255 * RNG.standard_normal((192, 192, 3)))
    noisy[:24] = noisy[-24:] = 0
    verdict = identify_noise(noisy)
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(15, rel=0.15)


def test_a_white_background_does_not_disturb():
    noisy = photograph("chelsea") + 15 / 255 * RNG.standard_normal((192, 192, 3))
    noisy[:, :80] = 1
    noisy[150:] = 1
    verdict = identify_noise(as_file(noisy))
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(15, rel=0.2)


def test_a_bar_with_text_below_a_micrograph_does_not_disturb():
    grey = as_file(photograph("camera") + 20 / 255 * RNG.standard_normal((192, 192, 1)))
    grey[-40:] = screenshot()[26:66, :, :1]
    verdict = identify_noise(grey)
    assert verdict.kind == "white"
    assert verdict.noise.level == pytest.approx(20, rel=0.15)


def test_salt_and_pepper_is_found_where_it_is():
    clean = as_file(photograph("coffee"))
    place = RNG.random((192, 192, 1))
    salted = np.where(place < 0.025, 0, np.where(place > 0.975, 1, clean)).astype(np.float32)
    verdict = identify_noise(salted)
    assert verdict.kind == "impulses"
    wrong = (place < 0.025) | (place > 0.975)
    assert (verdict.known == 0)[wrong].mean() > 0.95
    assert (verdict.known == 0)[~wrong].mean() < 0.005
