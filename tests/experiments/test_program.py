"""Tables on disk, and errors as one line."""

import csv

import jax
import pytest

from experiments import program


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying"), 1),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1),
        (MemoryError(), 1),
        (RuntimeError("something else"), None),
    ],
)
def test_out_of_memory_is_one_line(error, code, capsys):
    def fail(_):
        raise error

    if code is None:
        with pytest.raises(RuntimeError, match="something else"):
            program.run_program("x", "", lambda _: None, fail, [])
    else:
        assert program.run_program("x", "", lambda _: None, fail, []) == code
        assert capsys.readouterr().err.startswith("x: out of memory")


def test_published_numbers_are_the_tables(tmp_path, capsys):
    rows = [["a", "1.25", 3], ["b", "0.5", 4]]
    table = program.Table("Numbers", ("what", "seconds", "count"), rows, note="A note.")
    program.publish(
        [table], "experiments.speed.some", ["--x=1"], "cpu (2 cores)", str(tmp_path / "new")
    )
    text = (tmp_path / "new" / "some.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "A note." in text
    assert "- command: python -m experiments.speed.some --x=1" in text
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    assert [row for row in cells if row[0] in ("a", "b")] == [[*map(str, row)] for row in rows]
    with (tmp_path / "new" / "some.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [(r["row"], r["column"], r["value"]) for r in records] == [
        (str(number), column, str(value))
        for number, row in enumerate(rows)
        for column, value in zip(table.columns, row, strict=True)
    ]
    assert {r["table"] for r in records} == {"Numbers"}
    assert {r["device"] for r in records} == {"cpu (2 cores)"}
