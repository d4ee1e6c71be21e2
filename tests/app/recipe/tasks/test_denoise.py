"""Removing noise, as a task."""

import numpy as np

from dip_jax.app.recipe.tasks import TASKS
from dip_jax.noise import NoiseModel


def test_results_are_shifted_where_noise_is_correlated():
    rng = np.random.default_rng(0)
    y = (0.5 + 0.05 * rng.standard_normal((64, 64, 1))).astype(np.float32)
    dark = np.full_like(y, 0.48)
    table = np.full((9, 1), 0.05, np.float32)
    kernel = np.ones((1, 1, 1, 1), np.float32)
    noise = NoiseModel("measured", 13.0, False, table, kernel)
    task = TASKS["denoise"](refine=True)
    shifted = task.finish(dark, y, {}, noise)
    assert abs(shifted.mean() - 0.5) < 0.005
    for other, known in ((task.replace(refine=False), noise), (task, noise._replace(kernel=None))):
        assert other.finish(dark, y, {}, known) is dark
    assert task.finish(dark, y, {}, None) is dark
