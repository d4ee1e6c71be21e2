"""The arithmetic of time_to_quality, on curves made up for it."""

import csv

import numpy as np
import pytest

from benchmarks import curves, time_to_quality
from benchmarks.time_to_quality import Cost, Curve
from dip_jax.app.errors import UserError


def write(folder, name, rows):
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(curves.COLUMNS)
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """The peer's best averages are 30 after 100 s and 31 after 300 s: the target is 30.5."""
    write(tmp_path, "pytorch-House-0", [(5, 50, 20, 29.0), (10, 100, 21, 30.0), (15, 150, 20, 29)])
    write(tmp_path, "pytorch-House-1", [(5, 150, 20, 30.5), (10, 300, 21, 31.0)])
    write(tmp_path, "fast-House-0", [(5, 10, 31, 30.0), (10, 20, 30, 30.5), (15, 30, 30, 31.0)])
    write(tmp_path, "fast-House-1", [(5, 10, 33, 30.45), (10, 20, 33, 30.49)])
    return tmp_path


def test_ratio_is_of_averages_and_never_reached_is_said(folder):
    table, summary = time_to_quality.report(folder, ["House"], ["fast", "pytorch"], {})
    cells = {(row[1], row[2]): row for row in table.rows}
    assert cells["30.50", "pytorch"][5] == "200"
    assert cells["30.50", "fast"][5:] == ["20 not reached", "0.100 -"]
    # A tenth below the targets: 29.9 after 100 s, 30.9 after 300 s; and 30.4.
    assert cells["30.40", "fast"][5:] == ["20 10", "0.100 0.050"]
    assert summary.rows == [
        ["fast", "0", 2, "inf", "inf"],
        ["fast", "0.1", 2, "0.075", "0.100"],
    ]


def test_calibrated_seconds_count_steps(folder):
    costs = {"pytorch": Cost(10.0, 10.0), "fast": Cost(1.0, 1.0)}
    table, _ = time_to_quality.report(folder, ["House"], ["fast", "pytorch"], costs)
    cells = {(row[1], row[2]): row for row in table.rows}
    assert cells["30.50", "pytorch"][5] == "100"  # 10 + 9 * 10, for both
    assert cells["30.50", "fast"][5] == "10 not reached"
    assert "10.0 s until the first step" in table.note


def test_without_the_peer_there_is_no_target(tmp_path):
    write(tmp_path, "fast-House-0", [(5, 10, 31, 30.0)])
    with pytest.raises(UserError, match="no target"):
        time_to_quality.report(tmp_path, ["House"], ["fast"], {})


def test_reached_is_the_first_time():
    curve = Curve(*np.array([(1, 1, 0, 5.0), (2, 2, 0, 7.0), (3, 3, 0, 6.0)]).T)
    assert time_to_quality.reached(curve, 6.5, None) == 2
    assert time_to_quality.reached(curve, 6.5, Cost(10, 4)) == 14
    assert time_to_quality.reached(curve, 7.5, None) == np.inf


@pytest.mark.parametrize("module", [curves, time_to_quality])
def test_mistakes_are_one_line(module, capsys, monkeypatch):
    monkeypatch.delenv("DIP_JAX_DATA", raising=False)
    arguments = ["--methods=slow"] if module is time_to_quality else ["--method=fast"]
    assert module.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
