"""Compressed sensing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from dip_jax import operators
from tests.operators.common import check_adjoint_of_derivative, count_traces

KEY = jax.random.key(0)
SHAPE = (6, 5, 2)


def test_measurements_are_products_with_the_rows():
    matrix, image = operators.sensing_matrix(KEY, 7, SHAPE), jax.random.normal(KEY, SHAPE)
    measured = operators.compress(image, matrix)
    expected = [np.sum(np.asarray(row).reshape(SHAPE) * image) for row in matrix]
    np.testing.assert_allclose(measured, expected, rtol=1e-4)


def test_matrix_keeps_the_norm_in_the_mean():
    matrix = operators.sensing_matrix(KEY, 500, (8, 8, 1))
    assert matrix.shape == (500, 64)
    np.testing.assert_allclose((matrix**2).sum(0), 1, atol=0.3)
    np.testing.assert_allclose((matrix**2).sum(), 64, rtol=0.03)


def test_adjoint():
    matrix = operators.sensing_matrix(KEY, 7, SHAPE)
    check_adjoint_of_derivative(Partial(operators.compress, matrix=matrix), SHAPE)


def test_another_measurement_is_not_traced_again():
    matrices = [operators.sensing_matrix(jax.random.key(seed), 7, SHAPE) for seed in (0, 1)]
    two = [Partial(operators.compress, matrix=matrix) for matrix in matrices]
    assert count_traces(two, jnp.ones(SHAPE)) == 1


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="count=0: must be at least 1"):
        operators.sensing_matrix(KEY, 0, SHAPE)
    with pytest.raises(
        ValueError, match=r"matrix has shape \(7, 59\), but the image has 60 values"
    ):
        operators.compress(jnp.ones(SHAPE), jnp.ones((7, 59)))
