"""Values weighed in, and clipping undone, after a fit."""

import jax.numpy as jnp
import numpy as np
import pytest
from dip_jax.app.correction import agreeing, completed, corrected, regained
from dip_jax.app.degrade import add_noise
from dip_jax.app.fitting import restore
from dip_jax.app.noise import Noise
from dip_jax.app.presets import find_preset
from scipy import ndimage

from dip_jax import filling, operators
from dip_jax.app import correction, problem

RNG = np.random.default_rng(0)
TRUTH = np.full((64, 64, 3), 0.5, np.float32)
SMALL = Noise("gaussian", 0.02 * 255)
MEASURED = (TRUTH + 0.02 * RNG.standard_normal(TRUTH.shape)).astype(np.float32)


def test_what_was_held_out_is_weighed_in_by_its_noise():
    """Where the fit is far off and the noise small, more of the value measured."""
    held = np.broadcast_to(RNG.random((64, 64, 1)) < 0.1, TRUTH.shape)
    far = np.where(held, TRUTH + 0.06 * RNG.standard_normal(TRUTH.shape), TRUTH).astype(np.float32)
    image = regained(far, MEASURED, held[:, :, :1].astype(np.float32), SMALL)
    np.testing.assert_array_equal(image[~held], far[~held])
    error = np.mean((image - TRUTH)[held] ** 2)
    assert error == pytest.approx(1 / (1 / 0.02**2 + 1 / 0.06**2), rel=0.15)
    near = regained(TRUTH, MEASURED, held[:, :, :1].astype(np.float32), Noise("gaussian", 6.4))
    np.testing.assert_array_equal(near, TRUTH)


def test_more_is_weighed_in_where_the_fit_is_worse(monkeypatch):
    monkeypatch.setattr(correction, "_PRIOR", 100.0)
    spread = np.where(np.arange(64) < 32, 0.005, 0.06)[None, :, None]
    fit = (TRUTH + spread * RNG.standard_normal(TRUTH.shape)).astype(np.float32)
    image = regained(fit, MEASURED, np.ones((64, 64, 1), np.float32), SMALL)
    error = np.mean((image - TRUTH) ** 2, axis=(0, 2))
    assert error[:20].mean() < 0.008**2  # all of it at one weight: 0.011 ** 2
    assert error[-20:].mean() == pytest.approx(1 / (1 / 0.02**2 + 1 / 0.06**2), rel=0.15)


@pytest.mark.parametrize("stop", ["held_out", "none"])
@pytest.mark.parametrize("hide", [0.0, 0.5])
def test_what_the_fit_did_not_see_is_weighed_in(stop, hide, small_presets, monkeypatch):
    """Held-out values, or all where each was foreseen unseen."""
    unseen = []

    def spy(restored, y, counts, noise):
        unseen.append(counts.mean())
        return restored

    monkeypatch.setattr(correction, "regained", spy)
    options = {"sigma": 5.0, "steps": 2, "progress": False}
    restore(MEASURED, stop=stop, hide=hide, members=2, **options)
    if hide:
        assert unseen == [1.0]  # of the mean
    else:
        share = {"held_out": 0.04, "none": 0.0}[stop]
        assert unseen == pytest.approx([share, share], abs=0.01)  # each member its own


def test_clipping_is_undone():
    """Of a black and white picture whose noise was cut off, the mean is grey."""
    sigma = 60
    clean = np.repeat(np.arange(64) < 32, 64).reshape(64, 64, 1).astype(np.float32)
    y = add_noise(clean, sigma, seed=0)
    noise = Noise("gaussian", sigma).seen_to_be_clipped(y)
    assert noise.clipped
    placed = problem.place(find_preset("fast", "denoise"), y, None, None, stride=32)
    nothing = np.zeros_like(placed.known)
    mean = np.where(clean == 1, y[clean == 1].mean(), y[clean == 0].mean()).astype(np.float32)
    assert np.abs(mean - clean).max() > 0.08
    assert np.abs(corrected(mean, placed, nothing, noise) - clean).max() < 0.02


def test_scores_on_the_way_are_those_of_the_corrected_picture(small_presets):
    clean = np.zeros((40, 40, 1), np.float32)
    y = add_noise(clean, 60, seed=0)
    options = {"sigma": 60, "stop": "none", "hide": 0.0, "steps": 30, "progress": False}
    result = restore(y, reference=clean, **options)
    assert result.noise == Noise("gaussian", 60.0, clipped=True)
    psnr = -10 * np.log10(np.mean((result.raw - clean) ** 2))
    assert result.trace["average_psnr"][-1] == pytest.approx(psnr, abs=0.01)


def test_blind_spots_are_clipped_and_weighed_before_they_are_unclipped(small_presets):
    clean = np.full((40, 40, 1), 0.03, np.float32)
    y = add_noise(clean, 60, seed=0)
    result = restore(y, sigma=60, stop="none", hide=0.5, steps=400, progress=False)
    assert result.preset.hide == 0.5
    assert abs(result.image.mean() - 0.03) < 0.02 < abs(float(jnp.mean(y)) - 0.03)


@pytest.mark.parametrize(("factor", "lobes"), [(2, 3), (3, 2), (4, 3)])
def test_an_enlarged_picture_is_projected_onto_those_that_give_the_small_one(factor, lobes):
    preset = find_preset("fast", "super_resolve")._replace(factor=factor, lobes=lobes)
    taps = operators.lanczos_taps(factor, lobes)
    rows, columns = (operators.resampling_matrix(factor * n, taps, factor) for n in (12, 9))
    random = np.random.default_rng(2)
    truth = random.random((factor * 12, factor * 9, 3), np.float32)
    image = truth + 0.1 * random.normal(size=truth.shape).astype(np.float32)
    y = np.asarray(operators.resample(truth, rows, columns))
    result = agreeing(image, y, preset)
    assert result.dtype == np.float32
    np.testing.assert_allclose(operators.resample(result, rows, columns), y, atol=1e-5)
    # Of the distance to the truth the part that was measured is gone, and the rest stays.
    before, after, moved = (
        np.sum(difference**2) for difference in (image - truth, result - truth, result - image)
    )
    assert before == pytest.approx(after + moved, rel=1e-4)
    assert moved == pytest.approx(before / factor**2, rel=0.2)  # the share of values measured
    noise = 0.01 * random.normal(size=y.shape).astype(np.float32)
    more = agreeing(image, y + noise, preset) - result
    assert 1.0 < np.sqrt(np.mean(more**2) / np.mean(noise**2)) < 1.35


def test_a_long_picture_is_projected_without_large_matrices():
    """100,000 pixels long: full matrices would take 20 GB and more."""
    preset = find_preset("fast", "super_resolve")._replace(factor=2)
    y = np.random.default_rng(3).random((50_000, 3, 1), np.float32)
    result = agreeing(np.full((100_000, 6, 1), 0.5, np.float32), y, preset)
    taps = operators.lanczos_taps(2, preset.lobes)
    rows, columns = (operators.resampling_sources(n, len(taps), 2) for n in (100_000, 6))
    small = np.einsum("nthw,t->nhw", result[rows][:, :, columns, 0], taps) @ taps
    np.testing.assert_allclose(small, y[:, :, 0], atol=1e-5)


INPAINT = find_preset("fast", "inpaint")._replace(hide=0.0)


def _placed(y, known):
    return problem.place(INPAINT, y, known[:, :, None].astype(np.float32), None, 32)


@pytest.mark.parametrize("hide", [0.0, 0.5])
@pytest.mark.parametrize(
    ("width", "least", "most"),
    [(1, 0.9, 1.15), (16, 0.0, 0.2)],  # pixels that an error reaches, and what is left of it
)
def test_the_pixels_held_out_tell_how_far_a_filled_picture_moves(width, least, most, hide):
    """A fit off by what varies slowly is put right by its neighbours; off by noise it is not."""
    rng = np.random.default_rng(1)
    known = rng.random((64, 64)) < 0.5
    held = (known & (rng.random((64, 64)) < 0.4))[:, :, None].astype(np.float32)
    error = rng.standard_normal((64 // width, 64 // width, 3)) * 0.05
    error = ndimage.zoom(error, (width, width, 1), order=1).astype(np.float32)
    image = completed(TRUTH + error, _placed(TRUTH, known), held, INPAINT._replace(hide=hide))
    np.testing.assert_array_equal(image[known], TRUTH[known])
    left = np.std((image - TRUTH)[~known]) / np.std(error[~known])
    assert least <= left <= most


def _letters(height=64, width=64):
    known = np.ones((height, width), bool)
    known[10:50, 20:23] = known[30:33, 5 : width - 4] = False
    return known


@pytest.mark.parametrize("size", [(64, 64), (60, 50)])  # filling its canvas, and not
def test_a_fit_shown_all_pixels_moves_all_the_way(size):
    known, truth = _letters(*size), np.full((*size, 3), 0.5, np.float32)
    filled = truth + np.linspace(0, 0.2, size[0], dtype=np.float32)[:, None, None]
    held = np.zeros((64, 64, 1), np.float32)
    image = completed(filled, _placed(truth, known), held, INPAINT)
    np.testing.assert_allclose(image, truth, atol=2e-3)
    wanted = filling.complete(filled, truth, known[:, :, None].astype(np.float32))
    np.testing.assert_allclose(image, wanted, atol=2e-3)


@pytest.mark.parametrize(("share", "least", "most"), [(0.3, 0.0, 0.03), (0.0, 0.06, 1.0)])
def test_noise_of_known_pixels_stays_out_of_holes_if_some_are_held_out(share, least, most):
    known, rng = _letters(), np.random.default_rng(1)
    noisy = (TRUTH + 0.1 * rng.standard_normal(TRUTH.shape)).astype(np.float32)
    held = (rng.random((64, 64, 1)) < share) * known[:, :, None].astype(np.float32)
    error = completed(TRUTH, _placed(noisy, known), held, INPAINT) - TRUTH
    assert least <= np.std(error[~known]) <= most


def test_only_what_keeps_known_pixels_moves(small_presets):
    mask = np.ones((40, 30), np.uint8)
    mask[10:30, 10:13] = 0
    picture = np.tile(np.linspace(0.2, 0.8, 30, dtype=np.float32), (40, 1))
    options = {"task": "inpaint", "mask": mask, "steps": 2, "stop": "none", "progress": False}
    kept = restore(picture, **options)
    wanted = filling.complete(kept.raw, picture[:, :, None], mask[:, :, None].astype(np.float32))
    np.testing.assert_allclose(kept.image, np.clip(wanted, 0, 1), atol=2e-3)
    moved = (kept.image - kept.raw)[mask == 0]
    assert np.abs(moved).mean() > 0.05
    bare = restore(picture, keep_known=False, **options)
    np.testing.assert_array_equal(bare.raw, kept.raw)
    np.testing.assert_array_equal(bare.image, np.clip(bare.raw, 0, 1))


def test_filled_pictures_of_one_canvas_share_the_program():
    def fill(height, width):
        y = RNG.random((height, width, 3), np.float32)
        known = _letters(height, width)
        image = completed(0.5 * y, _placed(y, known), np.zeros((64, 64, 1), np.float32), INPAINT)
        np.testing.assert_array_equal(image[known], y[known])

    fill(64, 64)
    size = correction._complete._cache_size()
    fill(63, 40)
    assert correction._complete._cache_size() == size
