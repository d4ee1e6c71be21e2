import csv
import json

import pytest

from dip_jax.app.errors import NotOursError
from dip_jax.app.files.results import RECORD
from dip_jax.app.files.summary import (
    check_summary,
    forget_failure,
    keep_failure,
    write_summary,
)

SETTINGS = {"task": "denoise"}


def record(psnr, **changes):
    return {
        "run": dict(SETTINGS),
        "scores": {"noisy": {"psnr": 20.0}, "restored": {"psnr": psnr}},
        "picture": {"noise": {"kind": "gaussian", "level": 25.0}},
        "steps": 7,
        "seconds": {"compile": 1.0, "fit": 2.0},
        "interrupted": False,
    } | changes


@pytest.fixture
def results(tmp_path):
    """A folder with a picture in each state."""
    records = {
        "a": record(30.0),
        "b": record(28.0),
        "broken": record(40.0, interrupted=True),
        "other": record(50.0, run={"task": "inpaint"}),
    }
    for name, each in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD).write_text(json.dumps(each))
    keep_failure(tmp_path / "bad", "it is no picture")
    return tmp_path


NAMES = ["a", "b", "broken", "other", "bad", "absent"]


def test_every_picture_has_its_state(results):
    table, _ = write_summary(results, NAMES, SETTINGS)
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["picture"]: row for row in csv.DictReader(file)}
    assert [rows[name]["state"] for name in NAMES] == [
        "done",
        "done",
        "interrupted",
        "not done",
        "failed: it is no picture",
        "not done",
    ]
    assert rows["a"]["psnr"] == "30.0"
    assert rows["a"]["noise"] == "gaussian 25.0"
    assert rows["a"]["seconds"] == "3.0"
    assert rows["other"]["psnr"] == ""


def test_mean_and_worst_are_of_what_is_done(results):
    _, markdown = write_summary(results, NAMES, SETTINGS)
    lines = markdown.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("6 pictures: 2 done, 1 interrupted, 2 not done, 1 failed.")
    assert "| mean |  | 20.00 | 29.00 |" in lines[-2]
    assert "| worst |  | 20.00 | 28.00 |" in lines[-1]


def test_a_failure_is_forgotten_when_it_succeeds(results):
    keep_failure(results / "a", "a full disk")
    forget_failure(results / "a")
    forget_failure(results / "a")
    _, markdown = write_summary(results, ["a"], SETTINGS)
    assert "1 pictures: 1 done" in markdown.read_text(encoding="utf-8")


def test_a_foreign_summary_is_left_alone(results):
    check_summary(results)
    write_summary(results, NAMES, SETTINGS)
    check_summary(results)
    (results / "summary.md").write_text("my own notes")
    with pytest.raises(NotOursError, match="of something else"):
        check_summary(results)
