"""A generator's parameters as one vector."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import Flat, Skip
from tests.generators.common import KEY, ONE_SCALE, data


@pytest.mark.slow
def test_flat_parameters_give_the_same_image_and_gradient():
    z = jnp.asarray(data(16, 8, 2))
    flat, net = Flat(Skip(**ONE_SCALE)), Skip(**ONE_SCALE)
    init, apply = jit(flat.init), jit(flat.apply)
    vector, params = init(KEY, z), jit(net.init)(KEY, z)
    assert vector.ndim == 1
    np.testing.assert_array_equal(apply(vector, z), jit(net.apply)(params, z))

    def gradient(generator, params):
        return jit(jax.grad(lambda p: jnp.sum(generator.apply(p, z) ** 2)))(params)

    ours = flat.unravel(gradient(flat, vector), z)
    jax.tree.map(np.testing.assert_array_equal, ours, gradient(net, params))
    both = jit(jax.vmap(flat.apply, in_axes=(0, None)))(jnp.stack([vector, 2 * vector]), z)
    np.testing.assert_allclose(both[0], apply(vector, z), atol=1e-5)
    np.testing.assert_allclose(both[1], apply(2 * vector, z), atol=1e-5)
    np.testing.assert_array_equal(init(KEY, z[:8]), vector)  # whatever the height
