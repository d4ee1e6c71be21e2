"""The layers against plain formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import blocks, doubling
from tests.generators.common import KEY, data


def test_convolutions_start_as_in_torch():
    params = blocks.Conv(64, 3).init(KEY, jnp.zeros((4, 4, 16)))["params"]
    for leaf in params.values():
        bound = (16 * 9) ** -0.5
        assert 0.9 * bound < np.abs(leaf).max() <= bound
        assert abs(np.std(leaf) / (bound / 3**0.5) - 1) < 0.15


def test_deconv_spreads_each_pixel():
    x, kernel, bias = data(3, 4, 2), data(4, 4, 2, 3, seed=1), data(3, seed=2)
    expected = np.zeros((8, 10, 3), np.float32)
    torch_kernel = kernel[::-1, ::-1]
    for i in range(3):
        for j in range(4):
            spread = np.einsum("c,abcd->abd", x[i, j], torch_kernel)
            expected[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += spread
    params = {"params": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    result = blocks.Deconv(3).apply(params, jnp.asarray(x))
    np.testing.assert_allclose(result, expected[1:-1, 1:-1] + bias, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("offset", [0, 1000])
def test_norm_equals_the_plain_formula_also_far_from_zero(offset, backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x = data(16, 12, 3) + np.float32(offset)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean((0, 1))) / np.sqrt(exact.var((0, 1)) + 1e-5)
    params = {"params": {"scale": jnp.array([1.0, 2, 3]), "bias": jnp.array([0.0, 1, 2])}}
    result, back = jax.vjp(blocks.Norm().apply, params, jnp.asarray(x))
    np.testing.assert_allclose(result, exact * [1, 2, 3] + [0, 1, 2], atol=1e-5)
    cotangent = data(16, 12, 3, seed=1)
    of_params, of_x = back(cotangent)
    np.testing.assert_allclose(of_params["params"]["bias"], cotangent.sum((0, 1)), atol=1e-4)
    by_value = (cotangent * exact).sum((0, 1))
    np.testing.assert_allclose(of_params["params"]["scale"], by_value, atol=1e-4)
    # Ioffe and Szegedy 2015, section 3, in one line.
    centred = cotangent - cotangent.mean((0, 1)) - exact * (cotangent * exact).mean((0, 1))
    deviation = np.sqrt(x.astype(np.float64).var((0, 1)) + 1e-5)
    np.testing.assert_allclose(of_x, [1, 2, 3] * centred / deviation, atol=1e-4)
    plain, params = blocks.Norm(affine=False).init_with_output(KEY, jnp.asarray(x))
    np.testing.assert_allclose(plain, exact, atol=1e-5)
    assert not params


def test_pool():
    x = jnp.arange(8.0).reshape(2, 4, 1)
    np.testing.assert_array_equal(blocks.pool(x, "max").ravel(), [5, 7])
    np.testing.assert_array_equal(blocks.pool(x, "average").ravel(), [2.5, 4.5])
    volume = jnp.arange(16.0).reshape(2, 2, 4, 1)
    np.testing.assert_array_equal(blocks.pool(volume, "max").ravel(), [13, 15])
    np.testing.assert_array_equal(blocks.pool(volume, "average").ravel(), [6.5, 8.5])


def test_max_pool_does_not_count_the_largest_in_its_gradient():
    """Such a count, reduce_max's, is zero and gives NaN where rounding differs."""
    gradient = jax.grad(lambda x: blocks.pool(x, "max").sum())
    assert "reduce_max" not in str(jax.make_jaxpr(gradient)(data(4, 4, 2)))
    for x in (data(4, 4, 2), np.zeros((4, 4, 2), np.float32)):
        np.testing.assert_array_equal(gradient(x).sum(axis=(0, 1)), 4)


def test_lanczos_downsample_starts_as_a_filter_of_single_channels():
    x = np.linspace(0, 1, 32, dtype=np.float32).reshape(32, 1, 1) * np.ones((1, 16, 2))
    x[..., 1] = 0.5
    result = blocks.LanczosDownsample().init_with_output(KEY, jnp.asarray(x))[0]
    assert result.shape == (16, 8, 2)
    np.testing.assert_allclose(result[..., 1], 0.5, atol=1e-6)
    inside = x.reshape(16, 2, 16, 2)[:, :, ::2].mean(axis=(1,))[3:-3, :, 0]
    np.testing.assert_allclose(result[3:-3, :, 0], inside, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", doubling.UPSAMPLINGS)
def test_parts_stand_for_their_concatenation(kind):
    skip, coarse = data(8, 6, 2), data(4, 3, 5, seed=1)
    joined = np.concatenate([skip, doubling.upsample(coarse, kind)], axis=-1)
    parts = (skip, doubling.Doubled(jnp.asarray(coarse), kind))
    norm, conv = blocks.Norm(), blocks.Conv(width=4)
    scaled = {"params": {"scale": data(7, seed=2), "bias": data(7, seed=3)}}

    def applied(layer, params, *parts):
        return jit(lambda params: layer.apply(params, *parts))(params)

    first, second = jit(
        lambda scaled: [getattr(part, "x", part) for part in norm.apply(scaled, *parts)]
    )(scaled)
    normal = np.concatenate([first, doubling.upsample(second, kind)], axis=-1)
    np.testing.assert_allclose(normal, applied(norm, scaled, joined), atol=1e-5)
    params = jit(conv.init)(KEY, joined)
    shapes = jax.eval_shape(lambda key: conv.init(key, *parts), KEY)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    ours, plain = applied(conv, params, *parts), applied(conv, params, joined)
    np.testing.assert_allclose(ours, plain, atol=1e-5)

    def split(scaled, params, skip, coarse):
        return conv.apply(params, *norm.apply(scaled, skip, doubling.Doubled(coarse, kind)))

    def whole(scaled, params, skip, coarse):
        joined = jnp.concatenate([skip, doubling.upsample(coarse, kind)], axis=-1)
        return conv.apply(params, norm.apply(scaled, joined))

    cotangent = jnp.asarray(data(8, 6, 4, seed=4))

    def pulled_back(function):
        return jit(lambda *values: jax.vjp(function, *values)[1](cotangent))(
            *(scaled, params, skip, coarse)
        )

    ours, theirs = pulled_back(split), pulled_back(whole)
    for mine, plain in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(mine, plain, atol=1e-4 * np.abs(plain).max())
