"""Filling holes, as a task."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.app.recipe.tasks import TASKS
from dip_jax.app.recipe.tasks.base import Measured
from dip_jax.noise import NoiseModel


@pytest.mark.slow
def test_margins_around_the_picture_are_not_taken_for_wide_holes():
    inside = jnp.zeros((64, 64, 1)).at[:, 12:52].set(1)
    known = inside.at[30:33].set(0)
    y, image = jnp.full((64, 64, 3), 0.3), jnp.full((64, 64, 3), 0.5)
    spec = TASKS["inpaint"]()
    assert spec.anchor == 0
    losses = [
        spec.replace(anchor=pull).make(y, known, {}, None, inside).loss(image)
        for pull in (0.0, 0.03)
    ]
    np.testing.assert_array_equal(*losses)
    wide = known.at[10:50, 20:44].set(0)
    losses = [
        spec.replace(anchor=pull).make(y, wide, {}, None, inside).loss(image)
        for pull in (0.0, 0.03)
    ]
    assert losses[0] < losses[1]


def rings(height=40, width=64):
    """A texture that repeats."""
    rows, columns = np.mgrid[:height, :width]
    return (0.5 + 0.4 * np.sin(rows + 0.7 * columns))[:, :, None].astype(np.float32)


@pytest.mark.slow
def test_holes_are_refined_unless_they_are_wide():
    clean, rng = rings(), np.random.default_rng(0)
    known = (rng.random(clean.shape) > 0.5).astype(np.float32)
    restored = np.where(known > 0, clean, clean + 0.1 * rng.standard_normal(clean.shape))
    restored = restored.astype(np.float32)
    task = TASKS["inpaint"](refine=True)
    # What is not known may be anything. Margins are no holes, however wide.
    y, region = np.where(known > 0, clean, 9.0).astype(np.float32), np.ones_like(known)
    margins = known.copy()
    margins[:, :20] = region[:, :20] = 0
    measured = Measured(y, margins, None, {}, region)

    def error(image):
        return np.sqrt(np.mean((image - clean)[:, 20:][known[:, 20:] == 0] ** 2))

    refined = task.improve(restored, measured)
    assert refined.dtype == np.float32
    assert error(refined) < 0.5 * error(restored)
    wide = np.ones_like(known)
    wide[10:30, 10:35] = 0
    for other, other_measured in (
        (task.replace(refine=False), measured),
        (task.replace(keep_known=False), measured),  # known pixels may be wrong
        (task, measured._replace(noise=NoiseModel("gaussian", 5.0))),
        (task, measured._replace(known=wide)),
    ):
        np.testing.assert_array_equal(other.improve(restored, other_measured), restored)
