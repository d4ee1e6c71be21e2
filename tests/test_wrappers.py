"""Wrappers on a scripted algorithm: its losses and images are given in advance."""

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

pytestmark = pytest.mark.usefixtures("programs_compiled_in_haste")
Z = jnp.zeros((2, 2, 1))
TASK = dip_jax.validate(
    dip_jax.denoise(jnp.zeros((2, 2, 1)), reference=jnp.zeros((2, 2, 1))),
    dip_jax.denoise(jnp.full((2, 2, 1), 4.0)),
)
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
    state = jit(algorithm.init)(KEY, TASK, Z)
    step, infos = jit(algorithm.step), []
    for _ in range(steps):
        state, info = step(state, TASK)
        infos.append(info)
    return state, infos


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


def test_average_is_the_debiased_exponential_mean():
    algorithm = dip_jax.average(script(jnp.zeros(6)), decay=0.8)
    state, infos = play(algorithm, 5)
    weights = 0.8 ** np.arange(4, -1, -1)
    expected = np.sum(weights * np.arange(5)) / weights.sum()
    np.testing.assert_allclose(algorithm.estimate(state), expected, rtol=1e-5)
    np.testing.assert_allclose(infos[-1].image, expected, rtol=1e-5)
    np.testing.assert_allclose(infos[0].image, 0.0)


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
        (lambda a: dip_jax.average(a, decay=1.0), "decay=1.0"),
        (lambda a: dip_jax.backtrack(a, drop=0.0), "drop=0.0"),
        (lambda a: dip_jax.backtrack(a, every=0), "every=0"),
        (lambda a: dip_jax.backtrack(a, smoothing=1.0), "smoothing=1.0"),
        (lambda a: dip_jax.posterior(a, burn_in=-1), "burn_in=-1"),
        (lambda a: dip_jax.posterior(a, every=0), "every=0"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make(script([1.0]))


def stopping(losses, **options):
    options = {"smoothing": 0.0, "patience": 0.0, "at_least": 3} | options
    return dip_jax.stop(script(losses), lambda info: info.loss, **options)


def test_stop_ends_some_steps_after_the_lowest_score_and_keeps_that_image():
    algorithm = stopping([5.0, 4.0, 6.0, 3.0, 4.0, 4.0, 4.0, 1.0])
    state, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=8)
    # Step 3 comes 2 steps after the best so far, which is not enough to stop.
    assert trace["loss"].tolist() == [5, 4, 6, 3, 4, 4, 4]
    assert trace["chosen"].tolist() == [1, 2, 2, 4, 4, 4, 4]
    np.testing.assert_array_equal(algorithm.estimate(state), 3.0)  # of the fourth step


@pytest.mark.parametrize(
    ("patience", "at_least", "steps"), [(0.0, 3, 14), (0.5, 3, 22), (0.5, 15, 26)]
)
def test_stop_waits_for_a_share_of_the_steps_and_a_number(patience, at_least, steps):
    losses = [1.0] * 10 + [0.0] + [1.0] * 30  # the eleventh step is the best
    algorithm = stopping(losses, patience=patience, at_least=at_least, start=10)
    _, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=40)
    assert len(trace["loss"]) == steps
    assert trace["chosen"][-1] == 11


def test_stop_skips_the_start_and_what_is_not_finite():
    algorithm = stopping([0.0, jnp.nan, -jnp.inf, 5.0, 3.0, 4.0], start=1, at_least=9)
    state, infos = play(algorithm, 3)
    assert int(infos[-1].metrics["chosen"]) == 0
    np.testing.assert_array_equal(algorithm.estimate(state), 2.0)  # the newest, meanwhile
    state, infos = play(algorithm, 6)
    assert int(infos[-1].metrics["chosen"]) == 5
    assert not infos[-1].done


def test_stop_without_any_score_does_not_end():
    algorithm = stopping([jnp.inf] * 20, at_least=2)
    _, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=20)
    assert len(trace["loss"]) == 20


def test_stop_smooths_the_scores():
    losses = [4.0, 4.0, 0.0, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    plain, _ = play(stopping(losses, at_least=20), 10)
    smooth, _ = play(stopping(losses, at_least=20, smoothing=0.7), 10)
    assert int(plain.chosen) == 3
    weights = 0.7 ** np.arange(10)[::-1]
    np.testing.assert_allclose(smooth.score, np.sum(weights * losses) / weights.sum(), rtol=1e-5)
    assert int(smooth.chosen) == 10


@pytest.mark.parametrize(("name", "value"), [("patience", 1.0), ("smoothing", -0.1)])
def test_stop_names_bad_options(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        stopping([1.0], **{name: value})


def test_until_ends_after_the_step_that_meets_the_condition():
    algorithm = dip_jax.until(script([3.0, 2.0, 1.0, 0.5]), lambda info: info.loss <= 1)
    _, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=4)
    assert trace["loss"].tolist() == [3, 2, 1]


def test_an_outer_rule_does_not_undo_an_inner_one():
    algorithm = dip_jax.until(script([3.0, 2.0, 1.0, 0.5]), lambda info: info.loss <= 2)
    algorithm = dip_jax.until(algorithm, lambda info: info.loss <= 0)
    algorithm = dip_jax.backtrack(dip_jax.stop(algorithm, lambda info: info.loss))
    assert len(dip_jax.run(algorithm, KEY, TASK, Z, steps=4)[1]["loss"]) == 2


def test_validated_is_the_error_on_the_other_data():
    _, infos = play(dip_jax.validated(script(jnp.zeros(6))), 6)
    errors = [float(info.metrics["validation"]) for info in infos]
    assert errors == [(i - 4.0) ** 2 for i in range(6)]
    bare = dip_jax.denoise(jnp.zeros((2, 2, 1)))
    algorithm = dip_jax.validated(script(jnp.zeros(2)))
    with pytest.raises(ValueError, match="no validation"):
        algorithm.step(algorithm.init(KEY, bare, Z), bare)


def test_moving_variance_is_the_exponentially_weighted_one():
    _, infos = play(dip_jax.moving_variance(script(jnp.zeros(6)), rate=0.3), 6)
    mean = variance = 0.0
    for image, info in enumerate(infos):
        change = image - mean
        mean += 0.3 * change
        variance = 0.7 * (variance + 0.3 * change**2)
        np.testing.assert_allclose(info.metrics["variance"], variance, rtol=1e-5, atol=1e-7)


def test_windowed_variance_is_that_of_the_last_images():
    _, infos = play(dip_jax.windowed_variance(script(jnp.zeros(9)), window=4, values=3), 9)
    found = [float(info.metrics["variance"]) for info in infos]
    assert found[:3] == [np.inf] * 3
    np.testing.assert_allclose(found[3:], np.var([0, 1, 2, 3]), rtol=1e-5)
    state, _ = play(dip_jax.windowed_variance(script(jnp.zeros(9)), window=4, values=3), 1)
    assert state.recent.shape == (4, 3)
