"""A fit goes back to where it was good."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax.base import Algorithm, Info
from dip_jax.compilation import jit
from tests.toy import Convolutions, picture
from tests.wrappers.script import KEY, play, script


@pytest.mark.parametrize("bad", [100.0, jnp.nan, jnp.inf])
def test_backtrack_restores_everything_inside(bad):
    # The first visit of step 5 is bad. After the restoration the script is played again.
    losses = jnp.asarray([1.0, 1.0, 1.0, 1.0, 1.0, bad, 1.0, 1.0])
    algorithm = dip_jax.backtrack(dip_jax.average(script(losses, random=True)), every=2)
    good, _ = play(algorithm, 5)
    state, infos = play(algorithm, 6)
    assert int(state.restores) == int(infos[-1].metrics["restores"]) == 1
    # Snapshots are taken before steps 0 and 3 (age 2), so the fit is back before step 3.
    assert int(state.inner.inner.count) == 3
    np.testing.assert_allclose(state.inner.total, good.saved.total, rtol=1e-5)
    np.testing.assert_allclose(state.inner.weight, good.saved.weight, rtol=1e-5)
    assert state.inner.weight != good.saved.weight  # a fit without keys gets another course
    np.testing.assert_array_equal(infos[-1].image, algorithm.estimate(state))
    # Another course than the first time: the key has changed.
    assert jnp.any(jax.random.key_data(state.inner.inner.key) != jax.random.key_data(KEY))


def test_backtrack_never_lets_a_bad_step_through():
    """A fit whose weights explode now and then ends with finite, good weights."""

    class Walk(NamedTuple):
        weight: jax.Array
        key: jax.Array
        count: jax.Array

    def init(key, task, z):
        del task, z
        return Walk(jnp.ones(()), key, jnp.zeros((), jnp.int32))

    def step(state, task):
        del task
        explode = jax.random.uniform(jax.random.fold_in(state.key, state.count)) < 0.1
        info = Info(state.weight**2, jnp.full((2, 2, 1), state.weight), {})
        weight = jnp.where(explode, jnp.nan, 0.9 * state.weight)
        return Walk(weight, state.key, state.count + 1), info

    walk = Algorithm(init, step, lambda state: jnp.full((2, 2, 1), state.weight))
    guarded = dip_jax.backtrack(walk, every=3)
    state, infos = play(guarded, 60)
    assert int(state.restores) >= 2
    assert np.isfinite(state.saved.weight)
    assert float(state.saved.weight) < 0.1
    assert all(np.all(np.isfinite(info.image)) for info in infos)
    plain, _ = play(walk, 60)
    assert not np.isfinite(plain.weight)


def test_backtrack_gives_up_on_a_loss_that_is_noisy_by_nature():
    losses = jnp.asarray([1.0, 9.0] * 20)
    algorithm = dip_jax.backtrack(script(losses), limit=3)
    state, _ = play(algorithm, 20)
    assert int(state.restores) == 3
    assert int(state.inner.count) > 10


def test_backtrack_takes_an_average_for_a_loss_that_is_noisy_by_nature():
    noisy = [2.0, 9.0, 0.1, 2.0] * 10
    assert int(play(dip_jax.backtrack(script(noisy)), 40)[0].restores) == 20
    state, _ = play(dip_jax.backtrack(script(noisy), smoothing=0.95), 40)
    assert int(state.restores) == 0
    # What lasts is seen all the same, if not at once.
    lasting = [*noisy, *(40 * [40.0])]
    state, infos = play(dip_jax.backtrack(script(lasting), smoothing=0.95), 60)
    first = [int(info.metrics["restores"]) for info in infos].index(1)
    assert 40 < first < 50
    assert int(play(dip_jax.backtrack(script(lasting), smoothing=0.95), 40)[0].restores) == 0


def test_backtrack_of_a_loss_below_0():
    losses = jnp.asarray([-1.0, -1.0, -0.9, -1.1, -1.0, 2.5, -1.0, -1.0])
    _, infos = play(dip_jax.backtrack(script(losses)), 6)
    assert [int(info.metrics["restores"]) for info in infos] == [0, 0, 0, 0, 0, 1]
    losses = jnp.asarray([0.0, 1.0, -1.0, 7.0, jnp.nan, 1.0])
    _, infos = play(dip_jax.backtrack(script(losses), drop=jnp.inf), 5)
    assert [int(info.metrics["restores"]) for info in infos] == [0, 0, 0, 0, 1]


@pytest.mark.slow
def test_backtrack_leaves_a_generators_input():
    """A mask in it must stay 0 and 1: what is but nearly known is not known to a guess."""
    y, known = picture(16, 16, 1), jax.random.bernoulli(KEY, 0.5, (16, 16, 1)).astype(jnp.float32)
    z = dip_jax.MaskedInput(y * known, known)
    guess = dip_jax.filling.interpolate
    fit = dip_jax.masked(Convolutions(channels=1), optax.adam(0.01), guess=guess)
    failing = fit._replace(
        step=lambda state, task: (
            fit.step(state, task)[0],
            Info(jnp.where(state.count == 2, jnp.nan, 1.0), fit.estimate(state), {}),
        )
    )
    guarded = dip_jax.backtrack(dip_jax.average(failing))
    state, step = jit(guarded.init)(KEY, dip_jax.inpaint(y, known), z), jit(guarded.step)
    first = state.inner.inner.params
    for _ in range(3):
        state, _ = step(state, dip_jax.inpaint(y, known))
    assert int(state.restores) == 1
    for kept, given in zip(state.inner.inner.z, z, strict=True):
        np.testing.assert_array_equal(kept, given)
    changed = jax.tree.map(lambda a, b: jnp.any(a != b), first, state.inner.inner.params)
    assert any(jax.tree.leaves(changed))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda a: dip_jax.backtrack(a, drop=0.0), "drop=0.0"),
        (lambda a: dip_jax.backtrack(a, every=0), "every=0"),
        (lambda a: dip_jax.backtrack(a, smoothing=1.0), "smoothing=1.0"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make(script([1.0]))
