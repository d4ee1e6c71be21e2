"""Convolutions in loops: rewritten to the fast layout, with equal results."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import dip_jax
from dip_jax.compilation import jit
from dip_jax.layout import canonical

FAST = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"


def layouts(function, *args):
    """The dimension numbers of all convolutions of the program."""
    text = jax.jit(function).lower(*args).as_text()
    return set(re.findall(r"dim_numbers = (\[.*?\]x\[.*?\]->\[.*?\])", text))


def descend(params, x, *, stride=1, dilation=1):
    """Two steps of gradient descent inside a loop."""

    def loss(params):
        y = x
        for kernel in params:
            y = lax.conv_general_dilated(
                y,
                kernel,
                (stride, stride),
                "SAME",
                rhs_dilation=(dilation, dilation),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            y = jnp.tanh(y)
        return jnp.mean(y**2)

    def body(params, _):
        value, grads = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    return lax.scan(body, params, None, length=2)


@pytest.fixture
def start():
    keys = jax.random.split(jax.random.key(0), 3)
    params = [
        jax.random.normal(keys[0], (3, 3, 2, 4)),
        jax.random.normal(keys[1], (3, 3, 4, 3)),
    ]
    return params, jax.random.normal(keys[2], (1, 8, 12, 2))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2}])
def test_gradients_in_a_loop_use_the_fast_layout_and_are_equal(start, options):
    function = functools.partial(descend, **options)
    assert len(layouts(function, *start)) > 1  # else there is nothing to mend
    assert layouts(canonical(function), *start) == {FAST}
    expected, result = jit(function)(*start), jit(canonical(function))(*start)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), result, expected)


@pytest.mark.slow
def test_convolutions_outside_of_loops_stay_as_they_are(start):
    gradient = jax.grad(lambda params, x: descend(params, x)[1].sum())

    def plain(params, x):
        kernel = params[0].transpose(3, 2, 0, 1)
        return lax.conv(x.transpose(0, 3, 1, 2), kernel, (1, 1), "SAME")

    assert layouts(canonical(plain), *start) == layouts(plain, *start) != {FAST}
    assert layouts(canonical(gradient), *start) == {FAST}


def test_loops_in_branches_maps_and_nested_calls_are_found(start):
    params, x = start

    @jax.jit
    def inner(flag, params, x):
        def run(params):
            return lax.map(lambda scale: descend([scale * p for p in params], x)[1], jnp.ones(2))

        return lax.cond(flag, run, lambda params: jnp.zeros((2, 2)), params)

    args = (True, params, x)
    assert layouts(canonical(inner), *args) == {FAST}
    np.testing.assert_allclose(jax.jit(canonical(inner))(*args), inner(*args), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7,), (5, 6, 7)])
def test_one_and_three_dimensions(shape):
    kernel = jax.random.normal(jax.random.key(0), (2, 2, *(3,) * len(shape)))
    x = jax.random.normal(jax.random.key(1), (1, 2, *shape))

    def function(x):
        gradient = jax.grad(lambda x: jnp.sum(lax.conv(x, kernel, (1,) * len(shape), "SAME") ** 2))
        return lax.fori_loop(0, 2, lambda _, x: x - 0.01 * gradient(x), x)

    np.testing.assert_allclose(jit(canonical(function))(x), jit(function)(x), atol=1e-5)


def convolutions_in_loops(jaxpr, inside=False):
    """Their dimension numbers."""
    found = []
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "conv_general_dilated" and inside:
            found.append(tuple(equation.params["dimension_numbers"]))
        for value in equation.params.values():
            for item in value if isinstance(value, tuple) else (value,):
                body = getattr(item, "jaxpr", item)
                if hasattr(body, "eqns"):
                    found += convolutions_in_loops(body, inside or name in ("while", "scan"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [optax.adam(0.01), optax.lbfgs()])
def test_the_programs_of_a_run_have_no_slow_convolution(optimizer):
    generator = dip_jax.Skip(widths=(4,), skip_widths=2)
    z = jnp.ones((8, 8, 2))
    task = dip_jax.denoise(jnp.zeros((8, 8, 3)))
    algorithm = dip_jax.dip(generator, optimizer, jitter=0.0)
    state = jax.eval_shape(algorithm.init, jax.random.key(0), task, z)
    traced = dip_jax.loop.jitted_loop("cpu").trace(algorithm, state, task, 2)
    # Forward, and two gradients of most of them.
    found = convolutions_in_loops(traced.jaxpr.jaxpr)
    assert len(found) > 12
    assert set(found) == {((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))}


def test_everywhere_means_outside_of_loops_too(start):
    gradient = jax.grad(lambda params, x: descend(params, x)[1][0])

    def outside(params, x):
        kernel = params[0].transpose(3, 2, 0, 1)
        return lax.conv(x.transpose(0, 3, 1, 2), kernel, (1, 1), "SAME")

    for function in (outside, gradient):
        assert layouts(canonical(function, everywhere=True), *start) == {FAST}
