"""One measurement in two parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import operators

KEY = jax.random.key(0)


@pytest.mark.slow
def test_parts_are_disjoint_and_make_up_the_mask():
    mask = operators.cartesian_mask(jax.random.key(1), 64, acceleration=2)
    center = jnp.zeros_like(mask).at[:, 30:35].set(1)
    fitted, held = operators.split_mask(KEY, mask, 0.25, always=center)
    np.testing.assert_array_equal(fitted + held, mask)
    assert not (fitted * held).any()
    assert held.sum() == 8
    assert not (held * center).any()
    again = operators.split_mask(jax.random.key(2), mask, 0.25, always=center)[1]
    assert (again != held).any()


def test_weights_stay_what_they_are_and_one_entry_is_held_out_at_least():
    mask = jnp.array([0.5, 0.0, 2.0, 1.0])
    fitted, held = operators.split_mask(KEY, mask, 0.01)
    np.testing.assert_array_equal(fitted + held, mask)
    assert (held > 0).sum() == 1


@pytest.mark.parametrize(
    ("mask", "options", "named"),
    [
        ([0.0, 0.0], {}, "mask keeps nothing"),
        ([1.0, 1.0], {"share": 0}, "share=0: must be above 0"),
        ([1.0, 1.0], {"share": 1.0}, "share=1.0: must be above 0 and below 1"),
        ([1.0, 0.0], {}, "mask measures 1 entries"),
        ([1.0, 1.0], {"always": jnp.ones(2)}, "2 entries, 0 of which may be held out"),
    ],
)
def test_bad_arguments_are_named(mask, options, named):
    with pytest.raises(ValueError, match=named):
        operators.split_mask(KEY, jnp.array(mask), **options)
