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


@pytest.mark.parametrize("mode", ["edge", "reflect"])
@pytest.mark.parametrize(("shape", "border"), [((5, 4, 2), 1), ((5, 4, 2), 3), ((1, 3, 2), 2)])
def test_extend_equals_pad(mode, shape, border):
    """Values, gradients, forward mode and a batch; also of maps smaller than the border."""
    x, v = data(*shape), data(*shape, seed=1)

    def plain(x):
        return jnp.pad(x, ((border, border), (border, border), (0, 0)), mode=mode)

    def ours(x):
        return extend(x, border, mode)

    cotangent = data(shape[0] + 2 * border, shape[1] + 2 * border, shape[2], seed=2)

    @jax.jit
    def derived(x, v):
        both = ours, plain
        return (
            [f(x) for f in both],
            [jax.jvp(f, (x,), (v,))[1] for f in both],
            [jax.vmap(f)(jnp.stack([x, v])) for f in both],
            [jax.vjp(f, x)[1](cotangent)[0] for f in both],
        )

    *equal, (mine, theirs) = derived(x, v)
    for one, other in equal:
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(ours(x), equal[0][1])  # also outside of a program
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


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

    def derived(function, args):
        value, transpose = jax.vjp(function, *args)
        found = [value, *transpose(data(*value.shape, seed=3)), jax.jvp(function, args, args)[1]]
        for changed in range(len(args)):
            for axis in range(args[changed].ndim + 1):
                batched, axes = list(args), [None] * len(args)
                batched[changed] = jnp.stack([args[changed], -2 * args[changed]], axis)
                axes[changed] = axis
                found.append(jax.vmap(function, axes)(*batched))
        return found

    found = jax.jit(lambda args: [derived(function, args) for function in (ours, plain)])(args)
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(ours(*args), found[1][0], atol=1e-5)  # also outside of a program


@pytest.mark.parametrize(("shape", "stages"), [((32, 32, 3), 1), ((40, 30, 3), 2)])
def test_sum_of_a_large_map_is_taken_in_two_stages(shape, stages):
    x = data(*shape)
    program = jax.jit(total).lower(x).as_text()
    assert program.count("stablehlo.reduce(") == stages
    assert program.count("optimization_barrier") == stages - 1
    expected = x.astype(np.float64).sum((0, 1))
    np.testing.assert_allclose(total(x), expected, atol=1e-6 * np.abs(x).sum((0, 1)).max())
    np.testing.assert_array_equal(jax.grad(lambda x: total(x)[0])(x)[..., 0], 1)
