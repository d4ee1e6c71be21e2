"""Maps of twice the size, and what is made of them without making them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import convolution, doubling
from tests.generators.common import data


@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 4, 3), (1, 1, 2)])
def test_square_of_an_upsampled_map_equals_the_plain_one(shape):
    """Values, gradients, forward mode and curvature."""
    x, v = jnp.asarray(data(*shape)), jnp.asarray(data(*shape, seed=1))

    def plain(x):
        return jnp.mean(doubling.upsample(x, "bilinear") ** 2, axis=(0, 1))

    def summed(square):
        return lambda x: jnp.sum(jnp.arange(1.0, shape[2] + 1) * square(x) ** 2)

    @jit
    def derived(x, v):
        both = doubling.doubled_square, plain
        return [
            [jax.jvp(function, (x,), (v,)) for function in functions]
            for functions in (both, [jax.grad(summed(square)) for square in both])
        ]

    values, gradients = derived(x, v)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), [("nearest", "nearest"), ("bilinear", "linear")])
@pytest.mark.parametrize("shape", [(5, 7, 2), (1, 3, 2), (3, 4, 2, 2)])
def test_upsample_equals_a_resize(kind, method, shape):
    x = data(*shape)
    expected = jax.image.resize(x, (*(2 * side for side in shape[:-1]), 2), method)
    np.testing.assert_allclose(doubling.upsample(jnp.asarray(x), kind), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("padding", convolution.PADDINGS)
@pytest.mark.parametrize("kind", doubling.UPSAMPLINGS)
def test_folded_upsampling_equals_the_plain_one(kind, padding):
    """Values and gradients; also for a map of one pixel."""
    kernel = data(3, 3, 3, 4, seed=1)
    maps = [data(*shape) for shape in ((5, 7, 3), (2, 1, 3), (1, 1, 3))]
    cotangents = [data(2 * len(x), 2 * x.shape[1], 4, seed=2) for x in maps]

    def plain(x, kernel):
        return convolution.convolve(doubling.upsample(x, kind), kernel, padding=padding)

    def folded(x, kernel):
        return doubling.convolve_doubled(doubling.Doubled(x, kind), kernel, padding=padding)

    @jax.jit
    def both(maps, kernel, cotangents):
        found = []
        for x, cotangent in zip(maps, cotangents, strict=True):
            pulled = [jax.vjp(function, x, kernel) for function in (folded, plain)]
            found.append([(result, *back(cotangent)) for result, back in pulled])
        return found

    for (result, *ours), (expected, *theirs) in both(maps, kernel, cotangents):
        np.testing.assert_allclose(result, expected, atol=1e-5)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, atol=5e-5)
