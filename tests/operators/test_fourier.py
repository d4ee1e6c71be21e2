"""Fourier sampling, against NumPy's transform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from dip_jax import operators
from dip_jax.compilation import jit
from tests.operators.common import check_adjoint_of_derivative, count_traces

KEY = jax.random.key(0)
sample_fourier, sample_coils = jit(operators.sample_fourier), jit(operators.sample_coils)


def complex_normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape, jnp.complex64)


def transform(image):
    """The plain formula, with the origin of both planes in the middle."""
    height, width = image.shape[:2]
    rows, columns = (np.arange(size) - size // 2 for size in (height, width))
    down = np.exp(-2j * np.pi * np.outer(rows, rows) / height) / height**0.5
    across = np.exp(-2j * np.pi * np.outer(columns, columns) / width) / width**0.5
    return np.einsum("ah,hwc,bw->abc", down, np.asarray(image), across)


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_every_measured_frequency_is_that_of_the_formula(size):
    image = complex_normal(1, *size, 2)
    mask = (jax.random.uniform(KEY, (*size, 1)) < 0.5).astype(jnp.float32)
    measured = sample_fourier(image, mask)
    assert measured.dtype == jnp.complex64
    np.testing.assert_allclose(measured, mask * transform(image), atol=1e-5)


def test_real_images_are_measured_too():
    image = jax.random.uniform(KEY, (8, 8, 1))
    measured = sample_fourier(image, jnp.ones((1, 1, 1)))
    np.testing.assert_allclose(measured, transform(image), atol=1e-5)
    # The mean lies in the middle.
    np.testing.assert_allclose(measured[4, 4, 0], 8 * image.mean(), rtol=1e-5)


@pytest.mark.slow
def test_coils_see_the_image_through_their_sensitivities():
    image, sensitivities = complex_normal(1, 8, 12, 1), complex_normal(2, 8, 12, 3)
    mask = operators.cartesian_mask(KEY, 12, acceleration=2)
    measured = sample_coils(image, mask, sensitivities)
    for coil in range(3):
        seen = np.asarray(image[:, :, 0] * sensitivities[:, :, coil])[:, :, None]
        np.testing.assert_allclose(
            measured[:, :, coil : coil + 1], mask * transform(seen), atol=3e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_adjoint(dtype):
    mask = operators.cartesian_mask(KEY, 12, acceleration=2)
    sensitivities = complex_normal(2, 10, 12, 4)
    one = Partial(operators.sample_fourier, mask=mask)
    several = Partial(operators.sample_coils, mask=mask, sensitivities=sensitivities)
    check_adjoint_of_derivative(one, (10, 12, 2), dtype)
    check_adjoint_of_derivative(several, (10, 12, 1), dtype)


@pytest.mark.slow
def test_adjoint_of_a_full_sampling_is_the_inverse():
    image = complex_normal(1, 8, 9, 1)
    operator = Partial(operators.sample_fourier, mask=jnp.ones((1, 9, 1)))
    back = operators.apply_adjoint(operator, operator(image), image.shape, image.dtype)
    np.testing.assert_allclose(back, image, atol=1e-5)


def test_another_measurement_is_not_traced_again():
    masks = [operators.cartesian_mask(jax.random.key(seed), 12) for seed in (0, 1)]
    assert (masks[0] != masks[1]).any()
    one = [Partial(operators.sample_fourier, mask=mask) for mask in masks]
    assert count_traces(one, complex_normal(0, 10, 12, 1)) == 1
    several = [
        Partial(operators.sample_coils, mask=mask, sensitivities=complex_normal(seed, 10, 12, 2))
        for seed, mask in enumerate(masks)
    ]
    assert count_traces(several, complex_normal(0, 10, 12, 1)) == 1


@pytest.mark.parametrize(
    ("width", "acceleration", "center"), [(128, 4, 0.08), (31, 3, 0), (64, 1, 1)]
)
def test_mask_measures_as_many_columns_as_it_should(width, acceleration, center):
    mask = operators.cartesian_mask(KEY, width, acceleration, center)
    assert mask.shape == (1, width, 1)
    assert set(np.unique(mask)) <= {0, 1}
    assert mask.sum() == round(width / acceleration)
    middle = round(center * width)
    assert mask[0, width // 2 - middle // 2 :][:middle].all()
    np.testing.assert_array_equal(mask, operators.cartesian_mask(KEY, width, acceleration, center))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.cartesian_mask(KEY, 64, 0.5), "acceleration=0.5: must be at least 1"),
        (lambda: operators.cartesian_mask(KEY, 64, 4, 0.5), "center=0.5: must be from 0 to 0.25"),
        (lambda: operators.cartesian_mask(KEY, 8, 100, 0), "keeps none of 8 columns"),
        (
            lambda: operators.sample_fourier(jnp.ones((8, 8, 1)), jnp.ones((1, 9, 1))),
            r"mask has shape \(1, 9, 1\), which does not broadcast to \(8, 8, 1\)",
        ),
        (
            lambda: operators.sample_fourier(jnp.ones((8, 8, 1)), jnp.ones((8, 8))),
            r"mask has shape \(8, 8\)",
        ),
        (
            lambda: operators.sample_coils(
                jnp.ones((8, 8, 2)), jnp.ones((1, 8, 1)), jnp.ones((8, 8, 4))
            ),
            r"image has shape \(8, 8, 2\), but sensitivities .* need \(8, 8, 1\)",
        ),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_the_planes_of_a_volume_are_measured_each():
    volume = jnp.asarray(np.random.default_rng(5).random((3, 8, 6, 2), np.float32))
    mask = operators.cartesian_mask(KEY, 6, acceleration=2, center=0.3)[None]
    planes = jnp.stack([sample_fourier(plane, mask[0]) for plane in volume])
    np.testing.assert_allclose(sample_fourier(volume, mask), planes, atol=1e-5)


def test_few_lines_are_all_in_the_middle():
    (columns,) = np.flatnonzero(operators.cartesian_mask(KEY, 64, acceleration=16)).reshape(1, -1)
    assert columns.tolist() == [30, 31, 32, 33]
