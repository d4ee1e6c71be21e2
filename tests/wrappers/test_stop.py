"""When a fit ends, and which image it keeps."""

import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from tests.wrappers.script import KEY, TASK, Z, play, script


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
