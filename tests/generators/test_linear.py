"""Linear maps against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.generators.linear import add_border, extend, smooth, spread, total
from tests.generators.common import data


@pytest.mark.slow
def test_smooth_is_linear_and_composes():
    """Forward mode, reverse mode and vmap agree with the same filter written plainly."""
    taps = (0.2, 0.5, 0.2)
    x, v = data(6, 7, 2), data(6, 7, 2, seed=1)

    def plain(x):
        window = np.outer(taps, taps)
        return sum(window[i, j] * x[i : i + 4, j : j + 5] for i in range(3) for j in range(3))

    smoothed = jax.jit(lambda x: smooth(x, taps))
    np.testing.assert_allclose(smoothed(x), plain(x), atol=1e-6)
    np.testing.assert_allclose(jax.jvp(smoothed, (x,), (v,))[1], plain(v), atol=1e-6)
    cotangent = data(4, 5, 2, seed=2)
    for function in (smoothed, lambda x: smooth(x, taps)):
        ours, theirs = (jax.vjp(f, x)[1](cotangent)[0] for f in (function, plain))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    batch = jax.vmap(smoothed, in_axes=2, out_axes=1)(x)
    np.testing.assert_allclose(batch, np.moveaxis(plain(x), 2, 1), atol=1e-6)
    curvature = jax.hessian(lambda x: jnp.sum(smoothed(x) ** 2))(x[:, :, 0])
    assert curvature.shape == (6, 7, 6, 7)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["edge", "reflect"])
@pytest.mark.parametrize(("shape", "border"), [((5, 4, 2), 1), ((5, 4, 2), 3), ((1, 3, 2), 2)])
def test_extend_equals_pad(mode, shape, border):
    """Values, gradients, forward mode and a batch; also of maps smaller than the border."""
    x, v = data(*shape), data(*shape, seed=1)

    def plain(x):
        return jnp.pad(x, ((border, border), (border, border), (0, 0)), mode=mode)

    def ours(x):
        return extend(x, border, mode)

    expected, transpose = jax.vjp(plain, x)
    cotangent = data(*expected.shape, seed=2)
    np.testing.assert_array_equal(ours(x), expected)
    np.testing.assert_allclose(
        jax.vjp(ours, x)[1](cotangent)[0], transpose(cotangent)[0], atol=1e-6
    )
    np.testing.assert_array_equal(jax.jvp(ours, (x,), (v,))[1], plain(v))
    batch = jnp.stack([x, v])
    np.testing.assert_array_equal(jax.vmap(ours)(batch), jax.vmap(plain)(batch))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "plain", "shapes"),
    [
        (total, lambda x: jnp.sum(x, axis=(0, 1)), [(5, 4, 3)]),
        (
            lambda v: spread(v, (5, 4)),
            lambda v: jnp.broadcast_to(v, (5, 4, 3)),
            [(3,)],
        ),
        (
            add_border,
            lambda x, rows, columns: (
                x.at[jnp.array([0, -1])].add(rows).at[:, jnp.array([0, -1])].add(columns)
            ),
            [(5, 4, 3), (2, 4, 3), (5, 2, 3)],
        ),
    ],
)
def test_linear_maps_equal_the_plain_ones(ours, plain, shapes):
    """Values, gradients, forward mode, and a batch of some arguments."""
    args = [jnp.asarray(data(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    expected, transpose = jax.vjp(plain, *args)
    cotangent = data(*expected.shape, seed=3)
    result, our_transpose = jax.vjp(ours, *args)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    for mine, theirs in zip(our_transpose(cotangent), transpose(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(
        jax.jvp(ours, args, args)[1], jax.jvp(plain, args, args)[1], atol=1e-5
    )
    for changed in range(len(args)):
        for axis in range(args[changed].ndim + 1):
            batched, axes = list(args), [None] * len(args)
            batched[changed] = jnp.stack([args[changed], -2 * args[changed]], axis)
            axes[changed] = axis
            np.testing.assert_allclose(
                jax.vmap(ours, axes)(*batched), jax.vmap(plain, axes)(*batched), atol=1e-5
            )


@pytest.mark.parametrize(("shape", "stages"), [((32, 32, 3), 1), ((40, 30, 3), 2)])
def test_sum_of_a_large_map_is_taken_in_two_stages(shape, stages):
    x = data(*shape)
    program = jax.jit(total).lower(x).as_text()
    assert program.count("stablehlo.reduce(") == stages
    assert program.count("optimization_barrier") == stages - 1
    expected = x.astype(np.float64).sum((0, 1))
    np.testing.assert_allclose(total(x), expected, atol=1e-6 * np.abs(x).sum((0, 1)).max())
    np.testing.assert_array_equal(jax.grad(lambda x: total(x)[0])(x)[..., 0], 1)
