"""A picture that fills little of [0, 1] is fitted in its own range."""

import numpy as np
import pytest

from dip_jax.app import restore
from dip_jax.app.restore.span import Span, find_span
from dip_jax.noise import NoiseModel

RNG = np.random.default_rng(0)
PICTURE = RNG.random((20, 24, 1), np.float32)


def test_only_a_narrow_range_is_stretched():
    assert find_span(PICTURE).whole
    assert find_span(0.2 * PICTURE).whole
    assert find_span(0 * PICTURE + 0.5).whole
    low, high = find_span(np.float32(0.01) * PICTURE)
    assert low == 0
    assert high == pytest.approx(0.01 * PICTURE.max())
    bright = np.float32(0.8) + np.float32(0.1) * PICTURE
    assert find_span(bright) == Span(float(bright.min()), float(bright.max()))
    assert find_span(bright, from_black=True).whole


def test_entering_and_leaving_undo_each_other():
    span = Span(0.25, 0.3125)
    inside = span.enter(np.float32([0.25, 0.28125, 0.3125]))
    np.testing.assert_allclose(inside, [0, 0.5, 1])
    np.testing.assert_allclose(span.leave(inside), [0.25, 0.28125, 0.3125])
    np.testing.assert_allclose(span.leave_differences(inside), [0, 1 / 32, 1 / 16])
    assert span.psnr_offset() == pytest.approx(20 * np.log10(16))


@pytest.mark.slow
def test_a_fit_does_not_depend_on_the_scale(tiny_presets):
    options = {"steps": 5, "progress": False, "noise": "gaussian"}
    span = find_span(PICTURE / 64)
    whole = span.enter(PICTURE / 64)
    plain = restore(whole, sigma=20.0, reference=whole, **options)
    small = restore(PICTURE / 64, sigma=20.0 * span.high, reference=PICTURE / 64, **options)
    np.testing.assert_allclose(small.image, plain.image * span.high, atol=1e-6)
    assert small.noise.level == pytest.approx(20.0 * span.high)
    offset = small.trace["psnr"] - plain.trace["psnr"]
    np.testing.assert_allclose(offset, span.psnr_offset(), atol=1e-3)
    assert (small.span, plain.span) == (span, Span())


def test_noise_is_rescaled():
    assert NoiseModel("gaussian", 2.0).rescale(0.5, 0.75).level == 8
    assert NoiseModel("poisson", 2.0).rescale(0.0, 0.5).level == 4
    table = np.linspace(0.0, 0.1, 5)[:, None]
    measured = NoiseModel("measured", 10.0, deviation=table).rescale(0.5, 1.0)
    np.testing.assert_allclose(measured.deviation[:, 0], np.linspace(0.1, 0.2, 5), rtol=1e-5)
    with pytest.raises(ValueError, match=r"low=0\.5: must be 0 for Poisson noise"):
        NoiseModel("poisson", 2.0).rescale(0.5, 1.0)
