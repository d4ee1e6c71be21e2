"""Total variation in the loss of whole runs, by the programs that users get: equal to the bit."""

import numpy as np
import pytest

import dip_jax
from dip_jax.app import restore

PICTURE = np.random.default_rng(0).random((9, 13, 3), np.float32)


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "reconstruct"])
def test_tv_is_that_of_the_canvas_and_smooths_it(task):
    """For denoising too, whose loss sees the picture with noise."""
    picture = np.pad(PICTURE, ((0, 1), (0, 1), (0, 0)), mode="edge")  # fills its canvas
    options = {"task": task, "progress": False, "reference": picture, "stop": "none"}
    options |= {"sigma": 25.0} if task == "denoise" else {}
    first, penalised = (restore(picture, steps=1, tv=tv, **options) for tv in (0.0, 0.5))
    np.testing.assert_array_equal(first.raw, penalised.raw)
    variation = dip_jax.metrics.total_variation(first.raw) / first.raw.size
    more = penalised.trace["loss"][0] - first.trace["loss"][0]
    np.testing.assert_allclose(more, 0.5 * variation, rtol=1e-4)
    plain, smooth = (restore(picture, steps=100, tv=tv, **options) for tv in (0.0, 0.5))
    variations = [float(dip_jax.metrics.total_variation(r.raw)) for r in (plain, smooth)]
    assert variations[1] < 0.5 * variations[0]
