"""The benchmark programs' surroundings: flags, tables on disk, counts. Nothing is timed."""

import csv
import importlib
import importlib.util
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import checkpoint, folder, layers, memory, process, startup, step
from dip_jax import Skip
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import read_picture
from dip_jax.generators.doubling import upsample
from experiments import program

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("step", "--sizes=abc"),
        ("step", "--sizes=7"),
        ("step", "--sizes=100"),
        ("step", "--networks=wide"),
        ("step", "--dtypes=float64"),
        ("loop", "--kinds=device,while"),
        ("startup", "--rounds=0"),
        ("startup", "--preset=fats"),
        ("folder", "--pictures=1"),
        ("folder", "--preset=fats"),
        ("folder", "--ways=folder,both"),
        ("folder", "--ways="),
        ("folder", "--sides=64"),
        ("folder", "--sides=64,64"),
        ("folder", "--sides=16,64"),
        ("folder", "--sides=64,513"),
        ("checkpoint", "--presets=fats"),
        ("checkpoint", "--steps=1"),
        ("memory", "--sizes=abc"),
        ("memory", "--sizes=7"),
        ("memory", "--sizes=65"),
        ("memory", "--presets=fats"),
        ("memory", "--limit_gb=-1"),
        ("roofline", "--size=7"),
        ("roofline", "--size=65"),
        ("roofline", "--sizes=64"),
        ("roofline", "64"),
    ],
)
def test_a_wrong_flag_is_one_line(name, flag, capsys):
    assert importlib.import_module(f"benchmarks.{name}").main([flag]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert flag.split("=", maxsplit=1)[0].lstrip("-") in lines[0]


PROGRAMS = ["step", "loop", "startup", "memory", "roofline", "folder", "checkpoint"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_shows_a_command_line(name, capsys):
    assert importlib.import_module(f"benchmarks.{name}").main(["--help"]) == 0
    text = capsys.readouterr().out
    assert f"python -m benchmarks.{name}" in text
    assert "--out" in text


def test_step_without_torch_tells_how_to_get_it(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    assert step.main(["--peers=eager"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'.[bench]'" in line


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
    program.publish([table], "benchmarks.some", ["--x=1"], "cpu (2 cores)", str(tmp_path / "new"))
    text = (tmp_path / "new" / "some.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "A note." in text
    assert "- command: python -m benchmarks.some --x=1" in text
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


def test_operations_of_a_tiny_network():
    # 8x8 pixels of 5 channels, one scale of width 4, two skip channels.
    net = Skip(widths=(4,), skip_widths=2, upsampling="nearest")
    found = layers.layers_of(net, jnp.zeros((8, 8, 5)))
    assert [(layer.kind, layer.operations, layer.of_input) for layer in found] == [
        ("1x1", 2 * 64 * 5 * 2, True),  # skip
        ("3x3, stride 2", 2 * 16 * 9 * 5 * 4, True),  # down
        ("3x3, stride 1", 2 * 16 * 9 * 4 * 4, False),  # deep
        ("3x3, stride 1", 2 * 64 * 9 * 2 * 4, False),  # up, of the skip channels
        (layers.FOLDED, 2 * 64 * 9 * 4 * 4 * 16 // 36, False),  # up, of the coarser level
        ("1x1", 2 * 64 * 4 * 4, False),  # mix
        ("1x1", 2 * 64 * 4 * 3, False),  # out
    ]
    forward_and_gradients = 2 * (1280 + 5760) + 3 * (4608 + 9216 + 8192 + 2048 + 1536)
    assert sum(layer.operations_a_step for layer in found) == forward_and_gradients


@pytest.mark.parametrize("upsampling", [None, "bilinear"])
def test_a_layer_alone_gives_its_result_and_gradients(upsampling):
    layer = layers.Layer((4, 6, 3), 2, 3, 1, "reflect", upsampling, of_input=False)
    x, kernel, gradient = layers.arguments_of(layer)

    def plain(x, kernel):
        x = upsample(x, upsampling) if upsampling else x
        x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
        rows, columns = x.shape[0] - 2, x.shape[1] - 2
        return sum(
            x[i : i + rows, j : j + columns] @ kernel[i, j] for i in range(3) for j in range(3)
        )

    expected, back = jax.vjp(plain, x, kernel)
    for ours, theirs in zip(
        jax.tree.leaves(layers.compiled(layer)(x, kernel, gradient)),
        [expected, *back(gradient)],
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    of_input = layers.compiled(layer._replace(of_input=True))(x, kernel, gradient)
    assert [leaf.shape for leaf in jax.tree.leaves(of_input)] == [expected.shape, kernel.shape]


def test_growth_is_a_slope():
    rows = [memory.Measured(size, 8 * size**2, size**3, 3.0 * size**2) for size in (64, 128, 256)]
    assert memory.growth(rows) == ["64 128 256", "1.00", "1.00", "1.50", "8.0", "256.0"]
    assert memory.growth(rows[:1])[1] == "-"
    assert memory.growth([]) == ["none", "-", "-", "-", "-", "-"]


def test_a_process_returns_json_and_passes_errors_on():
    code = "import json, sys; print(json.dumps(json.loads(sys.argv[1])[0] + 1))"
    assert process.run_code(code, 41).result == 42
    assert process.run_code("pass").result is None
    with pytest.raises(ChildProcessError, match="ZeroDivisionError"):
        process.run_code("1 / 0")
    with pytest.raises(UserError, match="--x=3: is wrong"):
        process.run_code("from dip_jax.app.errors import *; raise UserError('--x', 3, 'is wrong')")


def test_ways_through_a_folder_are_compared_and_must_agree(tmp_path):
    sizes = folder.sizes_of([96, 64])
    assert sizes == [(64, 64), (96, 64), (96, 96)]
    paths = folder.make_pictures(tmp_path / "pictures", 4, sizes)
    assert [sizes[i % 3] for i in range(4)] == [
        tuple(read_picture(path).image.shape[:2]) for path in paths
    ]
    seconds = dict(zip(folder.WAYS, ([40.0, 42.0], [20.0, 21.0], [10.0], [82.0]), strict=True))
    rows = folder.compared(seconds, 41)
    assert rows[0] == [folder.SINGLES, "41.0", "3600", "1.00", "0.50"]
    assert rows[2] == [folder.DEVICES, "10.0", "14760", "4.10", "2.05"]
    same = {way: {"000": b"x"} for way in folder.WAYS}
    folder.check_equal(same, 1)
    for other, told in (({"000": b"y"}, "other pictures than one command"), ({}, "0 of 1")):
        with pytest.raises(OSError, match=f"a folder, two devices: left {told}"):
            folder.check_equal(same | {folder.DEVICES: other}, 1)
    assert folder.compared({folder.FOLDER: [41.0]}, 41)[0][3:] == ["-", "1.00"]


def test_cost_of_a_checkpoint_is_the_difference_over_the_saves():
    cells = checkpoint.row((10, 2_500_000, [(4.0, 7.0), (5.0, 8.0), (4.5, 7.5)]))
    assert cells == ["10", "2.5", "4.50", "7.50", "0.300", "1.00%"]


def test_contents_of_a_cache(tmp_path):
    for name, text in (("jit_a-cache", "12345"), ("jit_a-atime", "12")):
        (tmp_path / name).write_text(text)
    assert startup.contents(tmp_path) == (1, 7)


def test_gpu_script_without_a_gpu_says_so(tmp_path):
    result = subprocess.run(
        ["bash", "benchmarks/gpu.sh", str(tmp_path / "gpu")],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "'.[cuda13]' or '.[cuda12]'" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "gpu").exists()
