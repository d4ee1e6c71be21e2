"""The arithmetic of time_to_quality, on curves made up for it."""

import csv
import functools

import numpy as np
import pytest

from dip_jax.app import UserError
from experiments.speed import curves, process, time_to_quality
from experiments.speed.time_to_quality import Cost, Curve


def write(folder, name, rows):
    with (folder / f"{name}.csv").open("w", newline="") as file:
        file.write(curves.format_origin("cpu (2 cores)", 3000))
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
    table, summary = time_to_quality.make_tables(folder, ["House"], ["fast", "pytorch"], {})
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
    table, _ = time_to_quality.make_tables(folder, ["House"], ["fast", "pytorch"], costs)
    cells = {(row[1], row[2]): row for row in table.rows}
    assert cells["30.50", "pytorch"][5] == "100"  # 10 + 9 * 10, for both
    assert cells["30.50", "fast"][5] == "10 not reached"
    assert "10.0 s until the first step" in table.note


def test_a_calibration_counts_only_if_it_is_of_all(tmp_path):
    path = tmp_path / "calibration.csv"
    assert time_to_quality.read_costs(path, ["fast"]) == {}
    lines = ["method,startup,step", "fast,2,0.1", "fast,4,0.3", "fast,3,0.7", "pytorch,1,1"]
    path.write_text(curves.format_origin("cpu (2 cores)", 60) + "\n".join(lines))
    assert time_to_quality.read_costs(path, ["fast"]) == {
        "fast": Cost(3.0, 0.3),
        "pytorch": Cost(1.0, 1.0),
    }
    assert time_to_quality.read_costs(path, ["fast", "paper"]) == {}


@pytest.mark.slow
def test_a_kept_curve_of_other_settings_is_refused(folder, monkeypatch, capsys):
    picture = folder / "House.png"
    picture.touch()
    kept = folder / "out" / "time_to_quality"
    kept.mkdir(parents=True)
    write(kept, "fast-House-256-0", [(5, 10, 31, 30.0)])
    monkeypatch.setattr(time_to_quality, "_make_curve", lambda *_: pytest.fail("it was made again"))
    monkeypatch.setattr(time_to_quality, "find_device", functools.cache(process.find_device))
    flags = [f"--data={folder}", "--pictures=House.png", f"--out={folder / 'out'}"]
    flags += ["--methods=fast", "--seeds=1", "--backend=cpu"]
    assert time_to_quality.main([*flags, "--steps=20"]) == 2
    assert "fast-House-256-0.csv was made with --steps=3000" in capsys.readouterr().err
    whole = (kept / "fast-House-256-0.csv").read_text()
    (kept / "fast-House-256-0.csv").write_text(whole.partition("\n")[2])
    assert time_to_quality.main(flags) == 2
    assert "how it was made; remove it" in capsys.readouterr().err
    (kept / "fast-House-256-0.csv").write_text(whole)
    assert time_to_quality.main(flags) == 2
    assert "there is no target" in capsys.readouterr().err


def test_the_table_dates_curves_and_names_what_lacks_a_peer(folder, capsys):
    kept = folder / "time_to_quality"
    kept.mkdir()
    for name in ("pytorch-House-256-0", "fast-House-256-0", "fast-F16-256-0"):
        write(kept, name, [(5, 10, 31, 30.0), (10, 20, 31, 31.0)])
    flags = ["--norun", "--pictures=House.png,F16.png", f"--out={folder}"]
    assert time_to_quality.main(flags) == 0
    text = capsys.readouterr().out
    day = curves.read_origin(kept / "fast-F16-256-0.csv")["date"]
    assert f"Made: curves of fast: {day}; curves of pytorch: {day}." in text
    assert "- device: cpu (2 cores)" in text
    assert "Without a curve of pytorch: F16-256." in text


def test_without_the_peer_there_is_no_target(tmp_path):
    write(tmp_path, "fast-House-0", [(5, 10, 31, 30.0)])
    with pytest.raises(UserError, match="no target"):
        time_to_quality.make_tables(tmp_path, ["House"], ["fast"], {})


def test_reached_is_the_first_time():
    curve = Curve(*np.array([(1, 1, 0, 5.0), (2, 2, 0, 7.0), (3, 3, 0, 6.0)]).T)
    assert time_to_quality.find_seconds(curve, 6.5, None) == 2
    assert time_to_quality.find_seconds(curve, 6.5, Cost(10, 4)) == 14
    assert time_to_quality.find_seconds(curve, 7.5, None) == np.inf


def test_mistakes_are_one_line(capsys):
    assert time_to_quality.main(["--methods=slow"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
