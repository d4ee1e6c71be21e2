"""Values that a fit did not see, blended into its result."""

import numpy as np
import pytest

from dip_jax.noise import NoiseModel, blend_unseen_pixels, blending

RNG = np.random.default_rng(0)
TRUTH = np.full((64, 64, 3), 0.5, np.float32)
SMALL = NoiseModel("gaussian", 0.02 * 255)
MEASURED = (TRUTH + 0.02 * RNG.standard_normal(TRUTH.shape)).astype(np.float32)


def test_what_was_held_out_is_weighed_in_by_its_noise():
    """Where the fit is far off and the noise small, more of the value measured."""
    held = np.broadcast_to(RNG.random((64, 64, 1)) < 0.1, TRUTH.shape)
    far = np.where(held, TRUTH + 0.06 * RNG.standard_normal(TRUTH.shape), TRUTH).astype(np.float32)
    image = blend_unseen_pixels(far, MEASURED, held[:, :, :1].astype(np.float32), SMALL)
    np.testing.assert_array_equal(image[~held], far[~held])
    error = np.mean((image - TRUTH)[held] ** 2)
    assert error == pytest.approx(1 / (1 / 0.02**2 + 1 / 0.06**2), rel=0.15)
    near = blend_unseen_pixels(
        TRUTH, MEASURED, held[:, :, :1].astype(np.float32), NoiseModel("gaussian", 6.4)
    )
    np.testing.assert_array_equal(near, TRUTH)


def test_more_is_weighed_in_where_the_fit_is_worse(monkeypatch):
    monkeypatch.setattr(blending, "_PRIOR", 100.0)
    spread = np.where(np.arange(64) < 32, 0.005, 0.06)[None, :, None]
    fit = (TRUTH + spread * RNG.standard_normal(TRUTH.shape)).astype(np.float32)
    image = blend_unseen_pixels(fit, MEASURED, np.ones((64, 64, 1), np.float32), SMALL)
    error = np.mean((image - TRUTH) ** 2, axis=(0, 2))
    assert error[:20].mean() < 0.008**2  # all of it at one weight: 0.011 ** 2
    assert error[-20:].mean() == pytest.approx(1 / (1 / 0.02**2 + 1 / 0.06**2), rel=0.15)
