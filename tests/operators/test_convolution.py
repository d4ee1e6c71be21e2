"""Blur through the Fourier transform, against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.ndimage
import scipy.signal
from jax.tree_util import Partial

import dip_jax
from dip_jax import loop, operators
from tests.operators.common import check_linear_and_transposed
from tests.toy import Convolutions


def lopsided(rows, columns):
    """A kernel without any symmetry."""
    kernel = np.random.default_rng(rows + 100 * columns).random((rows, columns))
    return kernel / kernel.sum()


def convolve(image, kernel):
    transfer = operators.transfer_function(kernel, *image.shape[:2])
    return operators.convolve(image, jnp.asarray(transfer))


@pytest.mark.parametrize("size", [(16, 20), (17, 21)])
@pytest.mark.parametrize("sides", [(5, 7), (4, 6), (5, 2), (1, 1), (16, 20)])
def test_convolve_equals_scipy(size, sides):
    image, kernel = np.random.default_rng(0).random((*size, 3), np.float32), lopsided(*sides)
    expected = scipy.ndimage.convolve(image.astype(float), kernel[:, :, None], mode="wrap")
    np.testing.assert_allclose(convolve(jnp.asarray(image), kernel), expected, atol=1e-6)


@pytest.mark.parametrize("sides", [(3, 5), (4, 2)])
def test_a_point_becomes_the_kernel(sides):
    kernel = lopsided(*sides)
    point = jnp.zeros((12, 12, 1)).at[6, 5].set(1.0)
    (above, below), (left, right) = operators.reach(kernel)
    assert (above + below + 1, left + right + 1) == sides
    image = np.zeros((12, 12))
    # What a pixel depends on lies where its own light does not go, mirrored.
    image[6 - below : 6 + above + 1, 5 - right : 5 + left + 1] = kernel
    np.testing.assert_allclose(convolve(point, kernel)[:, :, 0], image, atol=1e-7)


@pytest.mark.parametrize("sides", [(5, 7), (4, 6)])
def test_a_margin_as_wide_as_the_reach_makes_the_picture_exact(sides):
    scene, kernel = np.random.default_rng(0).random((30, 32, 1), np.float32), lopsided(*sides)
    expected = scipy.signal.convolve2d(scene[:, :, 0].astype(float), kernel, mode="valid")
    (above, below), (left, right) = operators.reach(kernel)
    blurred = convolve(jnp.asarray(scene), kernel)[above : 30 - below, left : 32 - right, 0]
    np.testing.assert_allclose(blurred, expected, atol=1e-6)


@pytest.mark.slow
def test_another_kernel_compiles_nothing():
    fit = dip_jax.dip(Convolutions(channels=3), optax.adam(1e-2))
    y, z = jnp.full((16, 16, 3), 0.5), jnp.ones((16, 16, 2))
    programs = []
    for kernel in (operators.gaussian_kernel(1.0), operators.motion_kernel(7, 30)):
        transfer = jnp.asarray(operators.transfer_function(kernel, 16, 16))
        task = dip_jax.observe(Partial(operators.convolve, transfer=transfer), y)
        assert task.loss(y) < 1e-12
        _, trace = dip_jax.run(fit, jax.random.key(0), task, z, steps=2)
        assert np.isfinite(trace["loss"]).all()
        programs.append(loop.compilations(jax.default_backend()))
    assert programs[0] == programs[1]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.transfer_function(np.ones(3), 8, 8), r"kernel has shape \(3,\)"),
        (lambda: operators.transfer_function(np.ones((0, 3)), 8, 8), r"shape \(0, 3\)"),
        (lambda: operators.transfer_function(np.ones((9, 3)), 8, 8), "kernel of 9 x 3 pixels"),
        (lambda: operators.transfer_function(np.full((3, 3), np.nan), 8, 8), "not finite"),
        (lambda: operators.convolve(jnp.ones((8, 9, 3)), jnp.ones((8, 9))), r"shape \(8, 9\)"),
        (lambda: operators.reach(np.ones(3)), r"kernel has shape \(3,\)"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_linear_and_transposed():
    check_linear_and_transposed(lambda x: convolve(x, lopsided(5, 4)))
