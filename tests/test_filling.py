"""The first guess for holes: exact where nothing bends, near biharmonic interpolation else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic

from dip_jax import filling
from dip_jax.compilation import jit
from tests.toy import picture

complete, interpolate = jit(filling.complete), jit(filling.interpolate)


def mask(missing, height=64, width=48):
    known = jax.random.bernoulli(jax.random.key(1), 1 - missing, (height, width, 1))
    return known.astype(jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0.0, 0.5, 0.98])
def test_known_pixels_stay_and_one_colour_remains_itself(missing):
    known = mask(missing)
    y = picture(64, 48, 3)
    filled = interpolate(y, known)
    np.testing.assert_allclose(filled * known, y * known, atol=1e-6)
    flat = jnp.broadcast_to(jnp.array([0.1, 0.5, 0.9]), y.shape)
    np.testing.assert_allclose(interpolate(known * flat, known), flat, atol=1e-5)


@pytest.mark.slow
def test_values_in_holes_do_not_matter():
    known, y = mask(0.5), picture(64, 48, 3)
    np.testing.assert_array_equal(interpolate(y, known), interpolate(y + 7 * (1 - known), known))


@pytest.mark.slow
def test_it_comes_near_the_biharmonic_answer():
    known = mask(0.5)
    y = 0.5 + 0.4 * jnp.outer(jnp.sin(jnp.arange(64) / 4), jnp.cos(jnp.arange(48) / 3))[:, :, None]
    missing = np.asarray(known[:, :, 0]) == 0
    exact = inpaint_biharmonic(np.asarray(y * known), missing, channel_axis=2)

    def rms(image):
        return float(jnp.sqrt(jnp.mean((image - y)[missing] ** 2)))

    # 0.005 and 0.014; of the mean of the pixels around, without the passes after it: 0.031.
    assert rms(exact) < rms(interpolate(y, known)) < 0.018


@pytest.mark.slow
def test_the_middle_of_a_wide_hole_is_anchored_to_a_guess_and_thin_holes_are_not():
    known = jnp.ones((64, 48, 1)).at[10:40, 5:35].set(0).at[50:60, :].set(0)
    y = picture(64, 48, 3)
    guess, weights = filling.anchor(y + 7 * (1 - known), 3 * known, 0.04)
    np.testing.assert_array_equal(guess, interpolate(y, known))
    middle = np.zeros((64, 48, 1), bool)
    middle[18:32, 13:27] = True  # more than 8 pixels from the rim on all sides
    np.testing.assert_array_equal(filling.far_inside(known), middle)
    np.testing.assert_allclose(weights, np.where(middle, 0.6, 3 * known), rtol=1e-6)
    elsewhere = jnp.ones_like(known).at[:32].set(0)
    weights = filling.anchor(y, 3 * known, 0.04, elsewhere)[1]
    np.testing.assert_array_equal(weights, 3 * known)


@pytest.mark.slow
def test_a_hole_takes_the_colour_around_it():
    y = jnp.where(jnp.arange(96)[:, None, None] < 48, 0.2, 0.8) * jnp.ones((96, 96, 1))
    known = jnp.ones((96, 96, 1)).at[10:30, 20:70].set(0).at[60:90, 20:70].set(0)
    filled = interpolate(y, known)
    assert jnp.abs(filled[20, 45, 0] - 0.2) < 0.02
    assert jnp.abs(filled[75, 45, 0] - 0.8) < 0.02
    nothing = interpolate(y, jnp.zeros_like(known))
    np.testing.assert_allclose(nothing, 0.5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(200, 160, 1), (1, 150, 3), (300, 2, 1)])
def test_one_known_pixel_tells_of_all(shape):
    """However far; and what it does not tell, even NaN, reaches nothing."""
    known = jnp.zeros((*shape[:2], 1)).at[0, 0].set(1)
    y = jnp.where(known == 1, 0.8, jnp.nan) * jnp.ones(shape)
    np.testing.assert_allclose(interpolate(y, known), 0.8, atol=1e-4)


def letters(height=64, width=48):
    """Strokes three pixels wide."""
    known = jnp.ones((height, width, 1))
    return known.at[10:50, 8:11].set(0).at[20:23, 12:40].set(0).at[40:43, 15:45].set(0)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_filled_picture_joins_what_is_known(channels):
    """Right except for its brightness, it becomes right; except for texture, it stays as it is."""
    y, known = picture(64, 48, channels), letters()
    smooth = (jnp.arange(64)[:, None, None] - 20) / 200 + jnp.arange(48)[None, :, None] / 300
    damaged = jnp.where(known == 1, y, jnp.nan)
    joined = complete(y + smooth, damaged, known)
    np.testing.assert_array_equal(jnp.where(known == 1, joined, 0), y * known)
    np.testing.assert_allclose(joined, y, atol=2e-3)
    half = complete(y + smooth, damaged, known, weight=0.5)
    np.testing.assert_allclose(half, jnp.where(known == 1, y, y + smooth / 2), atol=2e-3)


def test_where_nothing_is_known_a_filled_picture_stays():
    y = picture(64, 48, 3)
    known = jnp.zeros((64, 48, 1))
    np.testing.assert_allclose(complete(y, jnp.full_like(y, jnp.nan), known), y, atol=1e-6)


TRUTH = np.full((64, 64, 3), 0.5, np.float32)


def _as_mask(known):
    return known[:, :, None].astype(np.float32)


@pytest.mark.parametrize("predicted", [False, True])
@pytest.mark.parametrize(
    ("width", "least", "most"),
    [(1, 0.9, 1.15), (16, 0.0, 0.2)],  # pixels that an error reaches, and what is left of it
)
def test_the_pixels_held_out_tell_how_far_a_filled_picture_moves(width, least, most, predicted):
    """A fit off by what varies slowly is put right by its neighbours; off by noise it is not."""
    rng = np.random.default_rng(1)
    known = rng.random((64, 64)) < 0.5
    held = (known & (rng.random((64, 64)) < 0.4))[:, :, None].astype(np.float32)
    error = rng.standard_normal((64 // width, 64 // width, 3)) * 0.05
    error = ndimage.zoom(error, (width, width, 1), order=1).astype(np.float32)
    image = filling.join_known(TRUTH + error, TRUTH, _as_mask(known), held, predicted=predicted)
    np.testing.assert_array_equal(image[known], TRUTH[known])
    left = np.std((image - TRUTH)[~known]) / np.std(error[~known])
    assert least <= left <= most


def _letters(height=64, width=64):
    known = np.ones((height, width), bool)
    known[10:50, 20:23] = known[30:33, 5 : width - 4] = False
    return known


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (60, 50)])
def test_a_fit_shown_all_pixels_moves_all_the_way(size):
    known, truth = _letters(*size), np.full((*size, 3), 0.5, np.float32)
    filled = truth + np.linspace(0, 0.2, size[0], dtype=np.float32)[:, None, None]
    held = np.zeros((*size, 1), np.float32)
    image = filling.join_known(filled, truth, _as_mask(known), held, predicted=False)
    np.testing.assert_allclose(image, truth, atol=2e-3)
    wanted = complete(filled, truth, _as_mask(known))
    np.testing.assert_allclose(image, wanted, atol=2e-3)


@pytest.mark.parametrize(("share", "least", "most"), [(0.3, 0.0, 0.03), (0.0, 0.06, 1.0)])
def test_noise_of_known_pixels_stays_out_of_holes_if_some_are_held_out(share, least, most):
    known, rng = _letters(), np.random.default_rng(1)
    noisy = (TRUTH + 0.1 * rng.standard_normal(TRUTH.shape)).astype(np.float32)
    held = (rng.random((64, 64, 1)) < share) * known[:, :, None].astype(np.float32)
    image = filling.join_known(TRUTH, noisy, _as_mask(known), held, predicted=False)
    error = image - TRUTH
    assert least <= np.std(error[~known]) <= most


def test_scattered_pixels_are_told_from_areas():
    scattered = np.random.default_rng(0).random((40, 50, 1)) > 0.5
    scratch = np.ones((40, 50, 1), bool)
    scratch[20, 5:45] = False
    assert filling.are_scattered(scattered)
    assert not filling.are_scattered(scratch)
