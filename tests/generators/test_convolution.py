"""Convolutions against plain sums."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.generators import convolution
from tests.generators.common import data


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("padding", "mode"), [("zero", "constant"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_convolve_equals_a_sum_over_taps(stride, padding, mode):
    x, kernel = data(8, 6, 2), data(5, 5, 2, 3, seed=1)
    padded = np.pad(x, ((2, 2), (2, 2), (0, 0)), mode=mode)
    taps = [padded[i : i + 8, j : j + 6] @ kernel[i, j] for i in range(5) for j in range(5)]
    result = convolution.convolve(jnp.asarray(x), kernel, stride=stride, padding=padding)
    np.testing.assert_allclose(result, sum(taps)[::stride, ::stride], atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("padding", "mode"), [("zero", "constant"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_convolution_of_a_volume_equals_a_sum_over_taps(stride, padding, mode):
    x, kernel = data(4, 8, 6, 2), data(3, 3, 3, 2, 5, seed=1)
    padded = np.pad(x, ((1, 1), (1, 1), (1, 1), (0, 0)), mode=mode)
    taps = [
        padded[a : a + 4, i : i + 8, j : j + 6] @ kernel[a, i, j]
        for a in range(3)
        for i in range(3)
        for j in range(3)
    ]
    result = convolution.convolve(jnp.asarray(x), kernel, stride=stride, padding=padding)
    expected = sum(taps)[::stride, ::stride, ::stride]
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 5])
def test_halving_by_phases_equals_a_convolution_of_stride_2(size):
    """Values and both gradients; on a CPU no convolution of stride 2 is left."""
    x, kernel = data(6, 10, 4), data(size, size, 4, 5, seed=1)
    ours = functools.partial(convolution.convolve, stride=2)
    if jax.default_backend() == "cpu":
        assert "window_strides=(2, 2)" not in str(jax.make_jaxpr(ours)(x, kernel))

    def plain(x, kernel):
        pads = [(size // 2, size // 2)] * 2
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x[None], kernel, (2, 2), pads, dimension_numbers=numbers
        )[0]

    (result, back), (expected, transpose) = (jax.vjp(f, x, kernel) for f in (ours, plain))
    np.testing.assert_allclose(result, expected, atol=1e-4)
    cotangent = data(3, 5, 5, seed=2)
    for mine, theirs in zip(back(cotangent), transpose(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.slow
def test_convolution_of_few_channels_equals_a_sum_over_taps():
    """It is another program: a product of all windows with a matrix."""
    x, kernel = data(5, 6, 2), data(3, 3, 2, 18, seed=1)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    taps = [padded[i : i + 5, j : j + 6] @ kernel[i, j] for i in range(3) for j in range(3)]
    ours = functools.partial(convolution.convolve, padding="reflect")
    assert "conv_general_dilated" not in str(jax.make_jaxpr(ours)(x, kernel))
    result, back = jax.vjp(ours, jnp.asarray(x), jnp.asarray(kernel))
    np.testing.assert_allclose(result, sum(taps), atol=1e-5)

    def plain(x, kernel):
        padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")[None]
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            padded, kernel, (1, 1), "VALID", dimension_numbers=numbers
        )[0]

    cotangent = data(5, 6, 18, seed=2)
    for mine, theirs in zip(back(cotangent), jax.vjp(plain, x, kernel)[1](cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
