"""What pictures hand on to each other, in files."""

import numpy as np

from dip_jax.app.files.carried import clear_carried, read_carried, write_carried

CARRIED = {0: {"0000": np.arange(3.0), "0001": np.array(7)}, 1: {"0000": np.ones((2, 2))}}


def test_what_was_written_is_read_under_the_same_name(tmp_path):
    write_carried(tmp_path, "above/a", 3, CARRIED)
    found = read_carried(tmp_path, "above/a", 3)
    assert found is not None
    assert {member: list(leaves) for member, leaves in found.items()} == {
        0: ["0000", "0001"],
        1: ["0000"],
    }
    for member, leaves in CARRIED.items():
        for name, array in leaves.items():
            np.testing.assert_array_equal(found[member][name], array)
            assert found[member][name].dtype == array.dtype


def test_another_picture_or_number_of_channels_has_none(tmp_path):
    assert read_carried(tmp_path, "a", 3) is None
    write_carried(tmp_path, "a", 3, CARRIED)
    assert read_carried(tmp_path, "b", 3) is None
    assert read_carried(tmp_path, "a", 1) is None
    # A kill may come before the results of "b" are written: "a" is kept until there is a third.
    write_carried(tmp_path, "b", 3, {0: {"0000": np.zeros(1)}})
    found = [read_carried(tmp_path, name, 3) for name in "ab"]
    assert [sorted(each) for each in found if each is not None] == [[0, 1], [0]]
    write_carried(tmp_path, "c", 3, CARRIED)
    assert read_carried(tmp_path, "a", 3) is None


def test_a_damaged_file_counts_as_none(tmp_path):
    write_carried(tmp_path, "a", 3, CARRIED)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:50], whole[: len(whole) // 2], b"text"):
        path.write_bytes(damaged)
        assert read_carried(tmp_path, "a", 3) is None


def test_nothing_is_left(tmp_path):
    write_carried(tmp_path, "a", 3, CARRIED)
    write_carried(tmp_path, "b", 1, CARRIED)
    clear_carried(tmp_path)
    clear_carried(tmp_path)
    assert not list(tmp_path.iterdir())
