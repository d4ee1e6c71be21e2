"""What is checked of every operator."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax import operators


def check_linear_and_transposed(function):
    operator = jax.jit(functools.partial(function))  # jit refuses a named tuple
    keys = jax.random.split(jax.random.key(0), 3)
    a, b = (jax.random.normal(k, (12, 16, 3)) for k in keys[:2])
    np.testing.assert_allclose(
        operator(2 * a - 3 * b), 2 * operator(a) - 3 * operator(b), atol=1e-5
    )
    y, transpose = jax.vjp(operator, a)
    u = jax.random.normal(keys[2], y.shape)
    # Measured against the norms: the products themselves may cancel.
    tolerance = 3e-7 * float(jnp.linalg.norm(y.ravel()) * jnp.linalg.norm(u.ravel()))
    np.testing.assert_allclose(jnp.vdot(y, u), jnp.vdot(a, transpose(u)[0]), atol=tolerance)


def check_adjoint_of_derivative(operator, shape, dtype=jnp.float32):
    """The inner-product test of what JAX derives, and the derivative against differences."""
    operator = jax.jit(operator)

    @jax.jit
    def adjoint(y):
        return operators.apply_adjoint(operator, y, shape, dtype)

    operators.check_adjoint(operator, adjoint, shape, dtype=dtype)
    image = jax.random.normal(jax.random.key(1), shape, dtype)
    operators.check_derivative(operator, image, step=1.0, tolerance=1e-5)


def count_traces(partials, image):
    """How often a function of an operator and an image is traced for several operators."""
    traces = []

    @jax.jit
    def measure(operator, image):
        traces.append(operator)
        return operator(image)

    for partial in partials:
        measure(partial, image)
    return len(traces)
