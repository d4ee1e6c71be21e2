"""What is checked of every operator."""

import jax
import jax.numpy as jnp
import numpy as np


def check_linear_and_transposed(operator):
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
