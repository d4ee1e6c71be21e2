import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax import loop
from dip_jax.compilation import jit
from tests.toy import Toy, picture

Z = jnp.ones((12, 10, 2))
KEY = jax.random.key(0)
TASK = dip_jax.denoise(picture(), reference=picture())


def fit(generator=None):
    generator = generator or Toy(leak=1.0)
    return dip_jax.measured(dip_jax.average(dip_jax.dip(generator, optax.adam(0.05))))


FIT = fit()  # its programs are compiled once


def test_chunk_length_changes_no_bit():
    algorithm = FIT
    results = [
        dip_jax.run(algorithm, KEY, TASK, Z, steps=11, every=every) for every in (1, 4, 11, 50)
    ]
    first = jax.tree.map(np.asarray, (results[0][0].inner.params, results[0][1]))
    for state, trace in results[1:]:
        jax.tree.map(np.testing.assert_array_equal, first, (state.inner.params, trace))


@pytest.mark.slow
def test_second_picture_is_not_retraced():
    traces = []

    class Counting(Toy):
        def apply(self, params, z):
            traces.append(1)
            return super().apply(params, z)

    algorithm = fit(Counting())
    options = {"steps": 5, "every": 2}
    state, _ = dip_jax.run(algorithm, KEY, TASK, Z, **options)
    dip_jax.estimate(algorithm, state)
    count = len(traces)
    assert count > 0
    other = dip_jax.denoise(picture()[::-1], reference=picture())
    state, _ = dip_jax.run(algorithm, jax.random.key(1), other, Z, **options)
    dip_jax.estimate(algorithm, state)
    assert len(traces) == count


def test_advance_continues_exactly():
    algorithm = FIT
    whole, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=9, every=4)
    state, first = dip_jax.run(algorithm, KEY, TASK, Z, steps=5, every=4)
    state, second = dip_jax.advance(algorithm, state, TASK, steps=4, every=3)
    np.testing.assert_array_equal(whole.total, state.total)
    np.testing.assert_array_equal(trace["loss"], np.concatenate([first["loss"], second["loss"]]))


def test_the_input_may_be_of_numpy():
    states = [dip_jax.run(FIT, KEY, TASK, z, steps=2)[0] for z in (Z, np.asarray(Z))]
    np.testing.assert_array_equal(
        states[0].inner.params["pixels"], states[1].inner.params["pixels"]
    )


@pytest.mark.slow
def test_the_input_may_be_a_tree():
    class Sum(Toy):
        def init(self, key, z):
            return super().init(key, z["noise"])

        def apply(self, params, z):
            return super().apply(params, z["noise"] + z["rest"][0])

    z = {"noise": np.asarray(Z), "rest": [0 * Z]}
    one = dip_jax.dip(Toy(leak=1.0), optax.adam(0.05), jitter=0)
    other = dip_jax.dip(Sum(leak=1.0), optax.adam(0.05), jitter=0)
    (_, wanted), (_, trace) = (
        dip_jax.run(algorithm, KEY, TASK, z, steps=3) for algorithm, z in ((one, Z), (other, z))
    )
    np.testing.assert_allclose(trace["loss"], wanted["loss"], rtol=1e-6)


def test_callback_sees_chunks_and_stops():
    seen = []
    algorithm = FIT

    def callback(done, state, trace):
        image = np.asarray(dip_jax.estimate(algorithm, state))
        seen.append((done, len(trace["loss"]), image.shape))
        return done >= 6

    _, trace = dip_jax.run(algorithm, KEY, TASK, Z, steps=20, every=3, callback=callback)
    assert seen == [(3, 3, (12, 10, 1)), (6, 3, (12, 10, 1))]
    assert {name: len(values) for name, values in trace.items()} == dict.fromkeys(
        ("loss", "psnr", "done"), 6
    )


def test_nothing_is_transferred_within_a_chunk():
    algorithm = FIT
    state, _ = dip_jax.run(algorithm, KEY, TASK, Z, steps=2, every=2)
    with jax.transfer_guard("disallow"):
        dip_jax.advance(algorithm, state, TASK, steps=4, every=2)


def test_the_state_is_donated():
    algorithm = FIT
    state, _ = dip_jax.run(algorithm, KEY, TASK, Z, steps=1)
    dip_jax.advance(algorithm, state, TASK, steps=1)
    assert state.total.is_deleted()


def test_zero_steps():
    state, trace = dip_jax.run(FIT, KEY, TASK, Z, steps=0)
    assert trace == {}
    assert int(state.inner.count) == 0


@pytest.mark.parametrize(("name", "value"), [("steps", -1), ("every", 0)])
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        dip_jax.run(FIT, KEY, TASK, Z, **{"steps": 1, "every": 1, name: value})


def test_a_chunk_is_one_call_of_the_compiled_loop(monkeypatch):
    """A call for each step is slower: temporary buffers are allocated again each time."""
    lengths = []
    run_loop = loop.jitted_loop("cpu")

    def count(algorithm, state, task, length):
        lengths.append(int(length))
        return run_loop(algorithm, state, task, length)

    monkeypatch.setattr(loop, "jitted_loop", lambda platform: count)
    _, trace = dip_jax.run(FIT, KEY, TASK, Z, steps=loop._RECORDED + 9, every=5)
    assert lengths == [5] * (sum(lengths) // 5) + [3]
    lengths.clear()
    _, trace = dip_jax.run(FIT, KEY, TASK, Z, steps=150, every=100)
    assert lengths == [loop._RECORDED, 100 - loop._RECORDED, 50]
    assert len(trace["loss"]) == 150


def test_chunks_of_any_length_run_one_program():
    algorithm = fit()
    state, _ = dip_jax.run(algorithm, KEY, TASK, Z, steps=1)
    size = loop.jitted_loop("cpu")._cache_size()
    dip_jax.advance(algorithm, state, TASK, steps=3)
    assert loop.jitted_loop("cpu")._cache_size() == size


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [optax.adam(0.1), optax.lbfgs()])
def test_the_second_step_is_not_traced_again(optimizer):
    traces = []

    class Counting(Toy):
        def apply(self, params, z):
            traces.append(1)
            return super().apply(params, z)

    algorithm = dip_jax.dip(Counting(), optimizer, jitter=0)
    options = {"every": 2}
    state, _ = dip_jax.run(algorithm, KEY, TASK, Z, steps=1, **options)
    count = len(traces)
    dip_jax.advance(algorithm, state, TASK, steps=3, **options)
    assert len(traces) == count


@pytest.mark.slow
def test_the_loop_fits_a_network_as_single_steps_do():
    generator = dip_jax.ConvDecoder(levels=1, width=4)
    algorithm = dip_jax.average(dip_jax.dip(generator, optax.adam(0.01)))
    task, z = dip_jax.denoise(picture(16, 16, 3)), dip_jax.inputs.uniform(KEY, 16, 16, depth=3)
    start, _ = dip_jax.run(algorithm, KEY, task, z, steps=0)
    state, step, losses = start, jit(algorithm.step), []
    for _ in range(5):
        state, info = step(state, task)
        losses.append(info.loss)
    trace = dip_jax.advance(algorithm, start, task, steps=5, every=2)[1]
    np.testing.assert_allclose(trace["loss"], losses, rtol=1e-3)
    assert losses[-1] < losses[0]


def _step_until_70(state, task):
    state, info = FIT.step(state, task)
    return state, info._replace(done=state.inner.count >= 70)


SEVENTY = FIT._replace(step=_step_until_70)


@pytest.mark.parametrize("every", [1, 4, 5, 200])
def test_the_run_ends_when_the_algorithm_is_done(every):
    seen = []
    state, trace = dip_jax.run(
        SEVENTY,
        KEY,
        TASK,
        Z,
        steps=100,
        every=every,
        callback=lambda taken, state, trace: seen.append((taken, len(trace["loss"]))),
    )
    assert int(state.inner.count) == len(trace["loss"]) == 70
    assert seen[-1][0] == sum(count for _, count in seen) == 70
