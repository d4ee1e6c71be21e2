"""Images in units of one's own, and complex ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import operators


@pytest.mark.slow
def test_complex_images_come_from_pairs_of_channels_and_go_back():
    pairs = jax.random.normal(jax.random.key(0), (4, 5, 6))
    image = operators.to_complex(pairs)
    assert image.dtype == jnp.complex64
    np.testing.assert_array_equal(image, pairs[:, :, :3] + 1j * pairs[:, :, 3:])
    np.testing.assert_array_equal(operators.from_complex(image), pairs)


def test_unit_range_becomes_that_of_each_channel():
    image = jnp.zeros((2, 2, 2)).at[0].set(1.0)
    low, high = jnp.array([[[-1000.0, 5.0]]]), jnp.array([[[3000.0, 7.0]]])
    found = operators.rescale(image, low, high)
    np.testing.assert_array_equal(found[0, 0], [3000, 7])
    np.testing.assert_array_equal(found[1, 1], [-1000, 5])


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (jnp.ones((4, 4, 3)), r"image has shape \(4, 4, 3\): .* even number of channels"),
        (jnp.ones((4, 4, 2), jnp.complex64), "complex64: is complex already"),
    ],
)
def test_bad_images_are_named(image, named):
    with pytest.raises(ValueError, match=named):
        operators.to_complex(image)
