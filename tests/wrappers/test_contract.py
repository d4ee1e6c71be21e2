"""Every wrapper keeps the contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from tests.wrappers.script import KEY, TASK, Z, play, script

WRAPPERS = {
    "average": dip_jax.average,
    "backtrack": dip_jax.backtrack,
    "measured": dip_jax.measured,
    "moving_variance": dip_jax.moving_variance,
    "posterior": lambda algorithm: dip_jax.posterior(algorithm, burn_in=2, every=2),
    "stop": lambda algorithm: dip_jax.stop(algorithm, lambda info: info.loss),
    "until": lambda algorithm: dip_jax.until(algorithm, lambda info: info.loss < 0),
    "validated": dip_jax.validated,
    "windowed_variance": lambda algorithm: dip_jax.windowed_variance(algorithm, window=3),
    "all": lambda a: dip_jax.measured(
        dip_jax.stop(dip_jax.backtrack(dip_jax.average(a)), lambda info: info.loss)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRAPPERS)
def test_contract(name):
    """Same contract out as in; state of constant structure; runs in the loop as by single steps."""
    algorithm = WRAPPERS[name](script(jnp.ones(8)))
    state = jax.eval_shape(algorithm.init, KEY, TASK, Z)
    after, info = jax.eval_shape(algorithm.step, state, TASK)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    # Also the weak types, else the second step compiles again.
    assert jax.tree.map(str, after) == jax.tree.map(str, state)
    assert info.image.shape == jax.eval_shape(algorithm.estimate, state).shape == (2, 2, 1)
    state, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=7, every=3)
    assert {len(values) for values in trace.values()} == {7}
    played, _ = play(algorithm, 7)
    np.testing.assert_array_equal(
        dip_jax.estimate(algorithm, state), dip_jax.estimate(algorithm, played)
    )
