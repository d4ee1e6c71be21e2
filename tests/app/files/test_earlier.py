import json

import numpy as np
import pytest

from dip_jax.app.errors import NotOursError, UserError
from dip_jax.app.files.checkpoint import Checkpoint
from dip_jax.app.files.earlier import check_ours, check_resumable, digest_arrays, find_finished
from dip_jax.app.files.results import RECORD

SETTINGS = {"format": 1, "task": "denoise", "seed": 0}


def write(folder, **changes):
    record = {"run": SETTINGS, "interrupted": False} | changes
    (folder / RECORD).write_text(json.dumps(record))


def test_arrays_are_identified_by_their_values_and_shapes():
    array = np.arange(6, dtype=np.float32)
    digests = digest_arrays({"a": array, "b": array.copy(), "c": array.reshape(2, 3), "d": None})
    assert digests["a"] == digests["b"] != digests["c"]
    assert digests["d"] is None
    assert digest_arrays({"a": array + 1})["a"] != digests["a"]


def test_a_finished_run_is_found(tmp_path):
    assert find_finished(tmp_path, SETTINGS) is None
    write(tmp_path)
    assert find_finished(tmp_path, SETTINGS) == {"run": SETTINGS, "interrupted": False}
    write(tmp_path, interrupted=True)
    assert find_finished(tmp_path, SETTINGS) is None


def test_a_finished_run_of_other_settings_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(UserError, match="seed was 0, is 1"):
        find_finished(tmp_path, SETTINGS | {"seed": 1})
    with pytest.raises(UserError, match="a version of dip-jax with other settings files"):
        find_finished(tmp_path, SETTINGS | {"format": 2})


def test_a_run_that_was_begun_over_another_goes_on(tmp_path):
    write(tmp_path)
    other = SETTINGS | {"seed": 1}
    with Checkpoint(tmp_path, other, seconds=0) as checkpoint:
        checkpoint.offer(lambda: {"a": np.ones(3)}, at_once=True)
    assert find_finished(tmp_path, other) is None


def test_only_common_settings_must_agree_for_a_folder(tmp_path):
    check_resumable(tmp_path, {"task": "inpaint"})  # it holds nothing yet
    write(tmp_path)
    check_resumable(tmp_path, {"task": "denoise"})
    with pytest.raises(UserError, match="task was 'denoise', is 'inpaint'"):
        check_resumable(tmp_path, {"task": "inpaint"})


@pytest.mark.parametrize("content", ["", "[]", '{"run": 3}', "{"])
def test_foreign_files_are_no_run(content, tmp_path):
    (tmp_path / RECORD).write_text(content)
    assert find_finished(tmp_path, SETTINGS) is None
    with pytest.raises(NotOursError, match="holds files, but no run to continue"):
        check_ours(tmp_path)


def test_an_empty_folder_and_what_a_kill_leaves_are_ours(tmp_path):
    check_ours(tmp_path / "absent")
    check_ours(tmp_path)
    (tmp_path / ".lock").touch()
    check_ours(tmp_path)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(NotOursError, match="holds files"):
        check_ours(tmp_path)
