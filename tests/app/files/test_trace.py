import numpy as np

from dip_jax.app.files.trace import concatenate_traces, final_values, number_steps


def test_traces_are_numbered_one_after_the_other():
    trace = concatenate_traces(
        [{"loss": np.array([3.0, 2.0])}, {"loss": np.array([5.0, 4.0, 3.0])}], "member"
    )
    assert trace["loss"].tolist() == [3, 2, 5, 4, 3]
    assert trace["member"].tolist() == [0, 0, 1, 1, 1]
    assert number_steps(trace).tolist() == [1, 2, 1, 2, 3]


def test_steps_begin_again_in_every_member_of_every_tile():
    trace = {
        "loss": np.zeros(6),
        "tile": np.array([0, 0, 0, 1, 1, 1]),
        "member": np.array([0, 1, 1, 1, 1, 0]),
    }
    assert number_steps(trace).tolist() == [1, 1, 2, 1, 2, 1]


def test_the_last_value_of_each_fit():
    trace = {
        "loss": np.zeros(5),
        "member": np.array([0, 0, 1, 1, 1]),
        "chosen": np.array([1, 2, 1, 1, 3]),
    }
    assert final_values(trace, "chosen") == [2, 3]
    assert final_values(trace, "restores") == []
