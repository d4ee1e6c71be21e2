"""Refining by a denoiser and the measurement in turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from skimage import data

import dip_jax
from dip_jax import operators, plug_and_play
from dip_jax.metrics import psnr

SIDE = 32
BRICKS = data.brick()[:128, :128].reshape(SIDE, 4, SIDE, 4).mean((1, 3)) / 255
TRUTH = jnp.asarray(BRICKS[:, :, None], jnp.float32)
KEYS = jax.random.split(jax.random.key(0))
SIGMA = 0.01
MASK = operators.cartesian_mask(KEYS[0], SIDE, acceleration=2)
FOURIER = Partial(operators.sample_fourier, mask=MASK)


def refine(operator, y, start, **options):
    options = {"sigma": SIGMA, "rounds": 8} | options
    return dip_jax.refine_measured(operator, y, start, **options)


def measure(operator, image=TRUTH):
    y = operator(image)
    return y + SIGMA * jax.random.normal(KEYS[1], y.shape, y.dtype)


def _blur_part(blur, image):
    return blur(jnp.pad(image, ((0, 0), (0, 1), (0, 0)), mode="edge"))[:, :-1]


@pytest.fixture(scope="module")
def blurred():
    transfer = operators.transfer_function(operators.named_kernel("gaussian:1"), SIDE, SIDE)
    operator = Partial(operators.convolve, transfer=jnp.asarray(transfer))
    return operator, measure(operator)


@pytest.mark.slow
def test_a_blurred_picture_comes_nearer_to_the_truth(blurred):
    operator, y = blurred
    refined = refine(operator, y, y)
    assert psnr(refined, TRUTH) > psnr(y, TRUTH) + 2
    # It agrees with the measurement as far as the noise does.
    error = jnp.sqrt(jnp.mean((operator(refined) - y) ** 2))
    assert SIGMA / 2 < error < 1.5 * SIGMA


@pytest.mark.slow
def test_complex_images_gain_whatever_their_phase():
    errors = []
    for angle in (0.0, np.pi / 4, np.pi * 3 / 4):
        turned = (TRUTH * np.exp(1j * angle)).astype(jnp.complex64)
        y = MASK * (FOURIER(turned) + np.exp(1j * angle) * (measure(FOURIER) - FOURIER(TRUTH)))
        start = operators.apply_adjoint(FOURIER, y, TRUTH.shape, jnp.complex64)
        refined = refine(FOURIER, y, start, rounds=15)
        assert refined.dtype == jnp.complex64
        assert refined.shape == TRUTH.shape
        before, after = (float(jnp.linalg.norm((x - turned).ravel())) for x in (start, refined))
        errors.append(after / before)
    assert errors[0] < 0.8
    np.testing.assert_allclose(errors, errors[0], rtol=0.02)


@pytest.mark.slow
def test_units_do_not_matter(blurred):
    operator, y = blurred
    usual = refine(operator, y, y)
    # Counts of a detector with an offset, which a blur leaves as it is.
    counts = refine(operator, 400 * y + 6000, 400 * y + 6000, sigma=400 * SIGMA)
    np.testing.assert_allclose((counts - 6000) / 400, usual, atol=2e-3)
    flux = refine(operator, 1e-20 * y, 1e-20 * y, sigma=1e-20 * SIGMA)
    np.testing.assert_allclose(1e20 * flux, usual, atol=2e-3)


@pytest.mark.slow
def test_what_is_not_known_has_no_say(blurred):
    operator, y = blurred
    known = jnp.ones((SIDE, SIDE, 1)).at[10:14, 10:14].set(0)
    start = jnp.where(known == 1, y, 0.5)
    strange = jnp.where(known == 1, y, jnp.nan)
    first, second = (refine(operator, each, start, known=known, rounds=2) for each in (y, strange))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_a_second_measurement_compiles_nothing(blurred, monkeypatch):
    operator, y = blurred
    y = y[:, :-1]  # of a size that no other test has compiled
    combine, traced = plug_and_play.combine_patches, []
    monkeypatch.setattr(
        plug_and_play, "combine_patches", lambda *args: traced.append(1) or combine(*args)
    )
    operator = Partial(_blur_part, operator)
    refine(operator, y, y, rounds=2)
    count = len(traced)
    assert count
    refine(operator, y[::-1], y[::-1], rounds=2, sigma=0.02, levels=(10, 3))
    assert len(traced) == count


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 1e3])
def test_extreme_noise_levels_stay_finite(blurred, sigma):
    operator, y = blurred
    assert np.isfinite(refine(operator, y, y, sigma=sigma)).all()


@pytest.mark.slow
def test_a_constant_picture_stays_constant(blurred):
    operator, y = blurred
    flat = jnp.full_like(y, 0.4)
    np.testing.assert_allclose(refine(operator, flat, flat), flat, atol=1e-4)
    nothing = jnp.zeros_like(y)
    np.testing.assert_allclose(refine(operator, nothing, nothing), nothing, atol=1e-4)


@pytest.mark.parametrize(
    ("start", "options", "words"),
    [
        (TRUTH[:, :, 0], {}, r"restored has the shape \(32, 32\): must be \[h, w, c\]"),
        (TRUTH[:4], {}, "at least 5x5 pixels"),
        (TRUTH.at[3, 3].set(np.nan), {}, "restored holds values that are not finite"),
        (TRUTH[:30], {}, r"y has the shape \(1, 32, 1\)"),
        (TRUTH, {"sigma": -1.0}, "sigma=-1.0: must be a number of 0 or more"),
        (TRUTH, {"sigma": np.ones(2)}, "sigma=array"),
        (TRUTH, {"sigma": float("nan")}, "sigma=nan"),
        (TRUTH, {"levels": (5.0, 0.0)}, "levels="),
        (TRUTH, {"levels": (20.0, 10.0, 5.0)}, "levels=.*must be two numbers above 0"),
        (TRUTH, {"levels": (5.0, float("nan"))}, "levels="),
        (TRUTH, {"rounds": 0}, "rounds=0: must be a whole number of at least 1"),
        (TRUTH, {"rounds": 2.5}, "rounds=2.5"),
    ],
)
def test_mistakes_are_told(start, options, words):
    with pytest.raises(ValueError, match=words):
        refine(FOURIER, MASK if start.shape != TRUTH.shape else FOURIER(TRUTH), start, **options)


def test_what_lies_far_from_where_it_is_needed_stays():
    known = np.ones((SIDE, SIDE, 1), np.float32)
    known[:, :2] = 0
    seen = Partial(operators.mask, known=jnp.asarray(known))
    start = np.where(known, TRUTH, 0.5)
    refined = refine(seen, known * TRUTH, start, sigma=0.0, needed=known[:, :, 0] == 0)
    assert psnr(refined, TRUTH) > psnr(start, TRUTH) + 0.3
    np.testing.assert_allclose(refined[:, 23:], TRUTH[:, 23:], atol=1e-6)
    with pytest.raises(ValueError, match="needed has the shape"):
        refine(seen, known * TRUTH, start, needed=known)
