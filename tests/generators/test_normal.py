"""A norm's result, made when it is used."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators.normal import ACTIVATIONS, Normal
from tests.generators.common import data


@pytest.mark.slow
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_accelerators_compute_a_norms_result_alike(activation, monkeypatch):
    """Made, and projected to a few channels: values, and derivatives in both directions."""
    x, shift = data(6, 5, 4), data(1, 1, 4, seed=1)
    values = (x, data(4, seed=2), data(4, seed=3), data(4, 2, seed=4))

    def made(x, factor, offset, kernel):
        normal = Normal(x, shift, factor, offset, activation)
        return normal.compute(), normal.project(kernel)

    tangents = tuple(data(*value.shape, seed=9) for value in values)
    cotangents = data(6, 5, 4, seed=5), data(6, 5, 2, seed=6)

    @functools.partial(jit, static_argnums=0)
    def derived(backend):
        monkeypatch.setattr(jax, "default_backend", lambda: backend)
        y, transpose = jax.vjp(made, *values)
        slopes = jax.grad(lambda *values: sum(jnp.sum(y**2) for y in made(*values)), range(4))
        batch = (jnp.stack([value, 2 * value]) for value in values)
        return [
            (y, transpose(cotangents)),
            jax.jvp(made, values, tangents),
            jax.jvp(slopes, values, tangents)[1],
            jax.vmap(slopes)(*batch),
            jax.vmap(slopes, (None, 0, None, None))(x, jnp.ones((2, 4)), *values[2:]),
        ]

    results = [derived(backend) for backend in ("cpu", "gpu")]
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_accelerators_take_slopes_of_the_map_again(monkeypatch):
    """What takes the sums of a gradient may not share its slopes: they would be written."""

    def counts(make, *words):
        def energy(x, factor):
            normal = Normal(x, jnp.zeros((1, 1, 4)), factor, factor, "leaky_relu")
            return jnp.sum(make(normal) ** 2)

        program = str(jax.make_jaxpr(jax.grad(energy, (0, 1)))(data(6, 5, 4), data(4)))
        return [program.count(f" {word}") for word in words]

    few, many = (lambda normal, n=n: normal.project(jnp.ones((4, n))) for n in (3, 8))
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert counts(Normal.compute, "optimization_barrier", "ge ") == [0, 1]
    assert counts(few, "dot_general") == counts(many, "dot_general") == [2]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert counts(Normal.compute, "optimization_barrier", "ge ") == [1, 2]
    assert counts(many, "optimization_barrier", "ge ", "dot_general") == [1, 2, 2]
    # More for the columns, forward and back, and for the kernel's gradient.
    assert counts(few, "optimization_barrier", "ge ", "dot_general") == [5, 2, 0]


@pytest.mark.parametrize("x", [-2.0, 0.0, 3.0])
def test_leaky_relu_is_a_fifth_below_zero(x):
    value, slope = jax.value_and_grad(ACTIVATIONS["leaky_relu"])(x)
    expected = (x, 1.0) if x >= 0 else (0.2 * x, 0.2)
    np.testing.assert_allclose((value, slope), expected, rtol=1e-6)
