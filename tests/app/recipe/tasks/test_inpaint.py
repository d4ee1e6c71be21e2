"""Filling holes, as a task."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.app.recipe.tasks import TASKS


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
