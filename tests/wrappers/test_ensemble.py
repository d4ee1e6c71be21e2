"""Several fits in one program equal the same fits alone, on one device and on two."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax

MEMBERS, STEPS = 4, 7


NETWORK = dip_jax.DeepDecoder(levels=1, width=4, upsampling="nearest")
FIT = dip_jax.measured(dip_jax.average(dip_jax.dip(NETWORK, optax.adam(1e-2), jitter=0.03)))
WAYS = {
    "one after the other": dip_jax.ensemble,
    "two together": lambda fit: dip_jax.ensemble(fit, together=2),
    "two devices": lambda fit: dip_jax.sharded(dip_jax.ensemble(fit), jax.devices()[:2]),
}


@pytest.fixture(scope="module")
def fits():
    """One object each, so that each is compiled once."""
    return {way: spread(FIT) for way, spread in WAYS.items()}


@pytest.fixture(scope="module")
def arguments():
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    ys = jax.random.uniform(jax.random.key(1), (MEMBERS, 32, 32, 3))
    zs = jax.vmap(lambda key: dip_jax.inputs.uniform(key, 32, 32, depth=4))(keys)
    return keys, jax.vmap(dip_jax.denoise)(ys), zs


@pytest.fixture(scope="module")
def alone(arguments):
    """What each member comes to by itself."""
    images, losses = [], []
    for index in range(MEMBERS):
        own = jax.tree.map(lambda leaf, index=index: leaf[index], arguments)
        state, trace = dip_jax.run(FIT, *own, steps=STEPS)
        images.append(dip_jax.estimate(FIT, state))
        losses.append(trace["loss"])
    return np.stack(images), np.stack(losses, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_members_equal_the_single_fits(way, fits, arguments, alone):
    fit = fits[way]
    state, trace = dip_jax.run(fit, *arguments, steps=STEPS, every=3)
    images, losses = alone
    np.testing.assert_allclose(dip_jax.estimate(fit, state), images, atol=1e-5)
    np.testing.assert_allclose(trace["loss"], losses, rtol=1e-5)
    assert trace["done"].shape == (STEPS,)


@pytest.mark.slow
def test_sharded_members_lie_on_both_devices(fits, arguments):
    fit = fits["two devices"]
    state, _ = dip_jax.run(fit, *arguments, steps=1)
    for leaf in jax.tree.leaves(state):
        assert {shard.data.shape[0] for shard in leaf.addressable_shards} == {MEMBERS // 2}
        assert leaf.sharding.device_set == set(jax.devices()[:2])


@pytest.mark.parametrize("way", WAYS)
def test_a_member_that_is_done_waits_for_the_others(way):
    """Member i is done after i + 2 steps: its state and what it tells stay as they were."""

    def init(key, task, z):
        del key, task
        return {"last": z[0, 0, 0], "count": jnp.zeros(())}

    def step(state, task):
        del task
        count = state["count"] + 1
        info = dip_jax.Info(count, jnp.full((2, 2, 1), count), {}, done=count >= state["last"])
        return state | {"count": count}, info

    def estimate(state):
        return jnp.full((2, 2, 1), state["count"])

    fit = WAYS[way](dip_jax.Algorithm(init, step, estimate))
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    tasks = jax.vmap(dip_jax.denoise)(jnp.zeros((MEMBERS, 2, 2, 1)))
    zs = jnp.arange(2.0, 2 + MEMBERS)[:, None, None, None]
    state, trace = dip_jax.run(fit, keys, tasks, zs, steps=100)
    assert dip_jax.estimate(fit, state)[:, 0, 0, 0].tolist() == [2, 3, 4, 5]
    assert trace["loss"][-1].tolist() == [2, 3, 4, 5]
    assert trace["done"].tolist() == [False] * 4 + [True]


@pytest.mark.slow
def test_a_second_ensemble_compiles_nothing(fits, arguments):
    fit = fits["one after the other"]
    keys, tasks, zs = arguments
    dip_jax.run(fit, keys, tasks, zs, steps=2)
    before = dip_jax.loop.compilations("cpu")
    dip_jax.run(fit, keys[::-1], tasks, 1 - zs, steps=3)
    assert dip_jax.loop.compilations("cpu") == before


def test_wrong_counts_are_told(fits, arguments):
    keys, tasks, zs = arguments
    odd = jax.tree.map(lambda leaf: leaf[:3], (keys, tasks, zs))
    with pytest.raises(ValueError, match="members=3: must be a multiple of the 2 devices"):
        dip_jax.run(fits["two devices"], *odd, steps=1)
    with pytest.raises(ValueError, match="together=0"):
        dip_jax.ensemble(FIT, together=0)
