"""Masks, crops, and resampling against the original's."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import operators
from tests.operators.common import check_linear_and_transposed

TAPS = {
    "gauss12_x4_phase0": operators.gaussian_taps(7, 1.0),
    "box_x4_phase0.5": np.full(4, 1 / 4),
    **{
        f"lanczos{support}_x{factor}_phase{phase}": operators.lanczos_taps(factor, support, phase)
        for support in (2, 3)
        for factor in (2, 4, 8)
        for phase in (0, 0.5)
    },
}


@pytest.fixture(scope="module")
def golden(golden_folder):
    with np.load(golden_folder / "operators.npz") as arrays:
        return dict(arrays)


def downsample(image, taps, factor):
    height, width = image.shape[:2]
    return operators.resample(
        image,
        jnp.asarray(operators.resampling_matrix(height, taps, factor)),
        jnp.asarray(operators.resampling_matrix(width, taps, factor)),
    )


@pytest.mark.parametrize("name", TAPS)
def test_kernel_and_output_equal_the_original(golden, name):
    taps = TAPS[name]
    factor = int(name.split("_x")[1].split("_")[0])
    np.testing.assert_allclose(np.outer(taps, taps), golden[f"{name}/kernel"], atol=1e-8)
    image = jnp.asarray(golden["x"][0].transpose(1, 2, 0))
    output = golden[f"{name}/output"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(downsample(image, taps, factor), output, rtol=1e-5, atol=1e-6)


def test_all_goldens_are_compared(golden):
    assert {name.split("/")[0] for name in golden if "/" in name} == set(TAPS)


def test_lanczos_kernel_is_the_outer_product():
    taps = operators.lanczos_taps(2)
    np.testing.assert_array_equal(operators.lanczos_kernel(2), np.outer(taps, taps))


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 7])
def test_any_factor_keeps_a_constant_and_the_mean_position(factor):
    size = 7 * factor
    for taps in (operators.lanczos_taps(factor, 3), np.full(factor, 1 / factor)):
        matrix = operators.resampling_matrix(size, taps, factor)
        assert matrix.shape == (7, size)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
        # Inside, a ramp is sampled at the centres of the large pixels.
        centres = np.arange(7) * factor + (factor - 1) / 2
        np.testing.assert_allclose((matrix @ np.arange(size))[3], centres[3], atol=1e-4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.lanczos_taps(0), "factor=0"),
        (lambda: operators.lanczos_taps(2, 2, 0.25), "phase=0.25"),
        (lambda: operators.gaussian_taps(5, 0.0), "sigma=0.0"),
        (lambda: operators.resampling_matrix(9, np.ones(2) / 2, 2), "size=9"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


KNOWN = np.float32(np.random.default_rng(1).random((12, 16, 1)) < 0.5)
OPERATORS = {
    "mask": lambda x: operators.mask(x, KNOWN),
    "crop": operators.Crop(2, 3, 5, 7),
    "lanczos": lambda x: downsample(x, operators.lanczos_taps(4), 4),
    "blur": lambda x: downsample(x, operators.gaussian_taps(7, 1.5), 1),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_linear_and_transposed(name):
    check_linear_and_transposed(OPERATORS[name])
