import json

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.files import checkpoint as module
from dip_jax.app.files.checkpoint import FOLDER, KEPT, Checkpoint, check_same, read_settings

SETTINGS = {"seed": 3, "counts": {"steps": 10}}


def save(folder, *values, settings=SETTINGS):
    with Checkpoint(folder, settings, seconds=0) as checkpoint:
        for value in values:
            checkpoint.offer(lambda value=value: {"a": {"b": np.full(4, value)}})


def load(folder, settings=SETTINGS):
    with Checkpoint(folder, settings) as checkpoint:
        return checkpoint.load()


def test_the_newest_comes_back(tmp_path):
    assert load(tmp_path) is None
    save(tmp_path, 1.0, 2.0, 3.0)
    np.testing.assert_array_equal(load(tmp_path)["a"]["b"], np.full(4, 3.0))
    assert read_settings(tmp_path) == SETTINGS
    numbers = [path for path in (tmp_path / FOLDER).iterdir() if path.name.isdecimal()]
    assert len(numbers) == KEPT


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, capsys):
    save(tmp_path, 1.0, 2.0)
    for path in (tmp_path / FOLDER / "2").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    np.testing.assert_array_equal(load(tmp_path)["a"]["b"], np.full(4, 1.0))
    assert "can't be read" in capsys.readouterr().err


def test_another_runs_is_refused(tmp_path):
    save(tmp_path, 1.0)
    with pytest.raises(UserError, match=r"counts.steps was 10, is 20"):
        load(tmp_path, {"seed": 3, "counts": {"steps": 20}})


@pytest.mark.parametrize("text", ["", "[]"])
def test_settings_that_cannot_be_read_are_told(text, tmp_path):
    save(tmp_path, 1.0)
    (tmp_path / FOLDER / "settings.json").write_text(text)
    with pytest.raises(UserError, match="remove it to start again"):
        load(tmp_path)


def test_clear_leaves_nothing(tmp_path):
    with Checkpoint(tmp_path, SETTINGS, seconds=0) as checkpoint:
        checkpoint.offer(lambda: {"a": np.ones(4)})
        checkpoint.clear()
    assert list(tmp_path.iterdir()) == []
    assert read_settings(tmp_path) is None


def test_what_is_offered_too_early_is_not_even_made(tmp_path):
    def never():
        raise AssertionError("it was made")

    with Checkpoint(tmp_path, SETTINGS, seconds=3600) as checkpoint:
        checkpoint.offer(never)
        checkpoint.offer(lambda: {"a": np.ones(4)}, at_once=True)
    assert load(tmp_path) is not None


def test_a_full_disk_is_noted_once_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    full = type("Usage", (), {"free": 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: full)
    save(tmp_path, 1.0, 2.0)
    told = capsys.readouterr().err
    assert told.count("no checkpoint could be written") == 1
    assert load(tmp_path) is None


def test_same_settings_pass(tmp_path):
    check_same(SETTINGS, json.loads(json.dumps(SETTINGS)), tmp_path)
