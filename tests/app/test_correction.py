"""Values weighed in, and clipping undone, after a fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.app import correction, problem
from dip_jax.app.correction import corrected, regained
from dip_jax.app.degrade import add_noise
from dip_jax.app.fitting import restore
from dip_jax.app.noise import Noise
from dip_jax.app.presets import find_preset

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
