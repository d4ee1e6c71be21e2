"""What a rule lost: the arithmetic on rows, with and without a run to compare with."""

import pytest

from experiments.quality.rules import LOST, PAST, compare_fits, tabulate_stopping

KEY = ("picture", "sigma", "method", "seed")


def row(method, **values):
    common = {"picture": "p", "sigma": "25", "seed": "0", "rule": method.partition(":")[2]}
    scores = {"chosen_psnr": "30.0", "oracle_psnr": "30.1", "last_psnr": "29.0", "oracle": "70"}
    taken = {"steps": "100", "limit": "400", "chosen": "80"}
    return {**common, **scores, **taken, "method": method, **values}


FULL = {"steps": "400", "chosen": "400", "chosen_psnr": "28.0", "last_psnr": "28.0"}
ROWS = [
    row("fast:wmv"),
    row("fast:wmv", seed="1", picture="image_F16_512rgb", chosen="90", chosen_psnr="31.0")
    | {"oracle": "90", "oracle_psnr": "31.3", "last_psnr": "31.2", "steps": "400"},
    row("nlm", chosen="", limit=""),
    row("fast:none", **FULL, oracle="180", oracle_psnr="31.5"),
    row("plain:none", **FULL, oracle="60", oracle_psnr="39.0"),  # another method's
]


def test_both_losses_of_each_fit():
    found = compare_fits(ROWS, KEY)
    assert [fit.row["method"] for fit in found] == ["fast:wmv"] * 2 + ["fast:none", "plain:none"]
    first, second, full, _ = found
    assert (first.own, first.full) == (pytest.approx(0.1), pytest.approx(1.5))
    assert (first.best, first.past, first.ended) == (180, pytest.approx(0.2), 1)
    assert second.own == pytest.approx(0.3)
    assert second.full != second.full  # that seed was not run without a rule
    assert second.ended == 0
    assert full.own == full.full == pytest.approx(3.5)
    assert (full.past, full.ended) == (0, 0)


def test_a_line_for_each_rule():
    table = tabulate_stopping(ROWS, KEY, "sigma")
    assert table.columns[:8] == ["sigma", "method", "rule", "fits", *LOST]
    first, second, _ = table.rows
    lost = ("0.200", "0.300 (F16_512)", "1.500", "1.500 (p)")
    ends = ("0.600", "250", "80", "180", "49 %", "1/2")
    assert first == ["25", "fast:wmv", "wmv", 2, *lost, *ends]
    assert dict(zip(table.columns, second, strict=True))[PAST] == "0 %"


def test_rows_of_older_versions_and_runs_without_a_comparison():
    (line,) = tabulate_stopping([row("fast:wmv", limit="")], KEY, "sigma").rows
    assert line[4:8] == ["0.100", "0.100 (p)", "-", "-"]
    assert line[-1] == "-"
