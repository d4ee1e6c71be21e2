"""The error on the other data."""

import jax.numpy as jnp
import pytest

import dip_jax
from tests.wrappers.script import KEY, Z, play, script


def test_validated_is_the_error_on_the_other_data():
    _, infos = play(dip_jax.validated(script(jnp.zeros(6))), 6)
    errors = [float(info.metrics["validation"]) for info in infos]
    assert errors == [(i - 4.0) ** 2 for i in range(6)]
    bare = dip_jax.denoise(jnp.zeros((2, 2, 1)))
    algorithm = dip_jax.validated(script(jnp.zeros(2)))
    with pytest.raises(ValueError, match="no validation"):
        algorithm.step(algorithm.init(KEY, bare, Z), bare)
