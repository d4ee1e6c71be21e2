"""Filling holes, as a task."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.tasks import TASKS, inpaint
from dip_jax.app.recipe.tasks.base import Measured
from dip_jax.noise import NoiseModel

MARGINS = ((10, 10), (10, 10), (0, 0))


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


def test_areas_are_refined_near_them_alone(monkeypatch):
    """Margins do not make scattered pixels look like areas, and are not refined."""
    calls = []
    monkeypatch.setattr(
        inpaint, "refine_fit", lambda *args, **options: calls.append(options) or args[2]
    )
    scattered = (np.random.default_rng(0).random((40, 50, 1)) > 0.5).astype(np.float32)
    scratch = np.ones_like(scattered)
    scratch[2:5, 5:45] = 0
    writing = np.ones_like(scattered)
    writing[5::12, 5:45] = 0
    image, region = np.zeros((60, 70, 1), np.float32), np.pad(np.ones_like(scratch), MARGINS)
    for known in (scattered, scratch, writing):
        measured = Measured(image, np.pad(known, MARGINS), None, {}, region)
        TASKS["inpaint"](refine=True).improve(image, measured)
    assert ["share" in options for options in calls] == [False, True, True]
    few, many = (options["needed"] for options in calls[1:])
    assert few[10:20, 20:50].all()  # the picture's rows 0 to 9
    assert not few[:10].any()
    assert not few[25:].any()
    assert many.mean() > few.mean()
    # More rounds where they cost little.
    assert calls[1]["rounds"] > calls[2]["rounds"] == calls[0]["rounds"]


@pytest.mark.parametrize("share", [0, -1, 1.5, "half"])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(UserError, match="window_share"):
        TASKS["inpaint"](window_share=share)
