"""Wrappers on a scripted algorithm: its losses and images are given in advance."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from dip_jax.base import Algorithm, Info

Z = jnp.zeros((2, 2, 1))
TASK = dip_jax.denoise(jnp.zeros((2, 2, 1)), reference=jnp.zeros((2, 2, 1)))
KEY = jax.random.key(0)


class ScriptState(NamedTuple):
    count: jax.Array
    key: jax.Array
    visits: jax.Array
    """How often each entry was played: not part of what a fit would have."""


def script(losses, random=False):
    """Plays ``losses``; the image of step i is i everywhere (plus noise if random)."""
    losses = jnp.asarray(losses, jnp.float32)

    def init(key, task, z):
        del task, z
        return ScriptState(jnp.zeros((), jnp.int32), key, jnp.zeros(len(losses), jnp.int32))

    def step(state, task):
        del task
        noise = jax.random.uniform(jax.random.fold_in(state.key, state.count)) if random else 0
        image = jnp.full((2, 2, 1), state.count, jnp.float32) + noise
        state = ScriptState(state.count + 1, state.key, state.visits.at[state.count].add(1))
        return state, Info(losses[state.count - 1], image, {})

    def estimate(state):
        return jnp.full((2, 2, 1), state.count, jnp.float32)

    return Algorithm(init, step, estimate)


def play(algorithm, steps):
    state = jax.jit(algorithm.init)(KEY, TASK, Z)
    infos = []
    for _ in range(steps):
        state, info = jax.jit(algorithm.step)(state, TASK)
        infos.append(info)
    return state, infos


WRAPPERS = {
    "average": dip_jax.average,
    "backtrack": dip_jax.backtrack,
    "best": lambda algorithm: dip_jax.best(algorithm, lambda info: info.loss),
    "measured": dip_jax.measured,
    "all": lambda a: dip_jax.measured(
        dip_jax.best(dip_jax.backtrack(dip_jax.average(a)), lambda info: info.loss)
    ),
}


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


def test_average_is_the_debiased_exponential_mean():
    algorithm = dip_jax.average(script(jnp.zeros(6)), decay=0.8)
    state, infos = play(algorithm, 5)
    weights = 0.8 ** np.arange(4, -1, -1)
    expected = np.sum(weights * np.arange(5)) / weights.sum()
    np.testing.assert_allclose(algorithm.estimate(state), expected, rtol=1e-5)
    np.testing.assert_allclose(infos[-1].image, expected, rtol=1e-5)
    np.testing.assert_allclose(infos[0].image, 0.0)


def test_best_keeps_the_lowest_finite_score():
    losses = [5.0, 3.0, jnp.nan, -jnp.inf, 1.0, 2.0]
    algorithm = dip_jax.best(script(losses), lambda info: info.loss)
    state, _ = play(algorithm, 4)
    np.testing.assert_array_equal(algorithm.estimate(state), 1.0)
    state, _ = play(algorithm, 6)
    np.testing.assert_array_equal(algorithm.estimate(state), 4.0)


def test_measured_takes_a_prefix_and_refuses_a_clash():
    algorithm = dip_jax.measured(dip_jax.average(dip_jax.measured(script(jnp.ones(3)))), "a_")
    _, infos = play(algorithm, 2)
    assert infos[1].metrics.keys() == {"psnr", "a_psnr"}
    assert infos[1].metrics["a_psnr"] != infos[1].metrics["psnr"]
    with pytest.raises(ValueError, match="psnr"):
        play(dip_jax.measured(dip_jax.measured(script(jnp.ones(3)))), 1)


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


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda a: dip_jax.average(a, decay=1.0), "decay=1.0"),
        (lambda a: dip_jax.backtrack(a, drop=0.0), "drop=0.0"),
        (lambda a: dip_jax.backtrack(a, every=0), "every=0"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make(script([1.0]))
