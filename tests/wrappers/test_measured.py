"""The task's metrics in the trace."""

import jax.numpy as jnp
import pytest

import dip_jax
from tests.wrappers.script import play, script


def test_measured_takes_a_prefix_and_refuses_a_clash():
    algorithm = dip_jax.measured(dip_jax.average(dip_jax.measured(script(jnp.ones(3)))), "a_")
    _, infos = play(algorithm, 2)
    assert infos[1].metrics.keys() == {"psnr", "a_psnr"}
    assert infos[1].metrics["a_psnr"] != infos[1].metrics["psnr"]
    with pytest.raises(ValueError, match="psnr"):
        play(dip_jax.measured(dip_jax.measured(script(jnp.ones(3)))), 1)
