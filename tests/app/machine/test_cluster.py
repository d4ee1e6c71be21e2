"""Several devices in a process, several processes on a machine."""

import csv
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from dip_jax.app.cli import batch, command
from dip_jax.app.errors import UserError
from dip_jax.app.machine import device
from tests.app.common import tiny_runs

# The command with the tiny presets of conftest.py, in a process of its own.
CODE = """
import sys
import pytest
from dip_jax.app.cli import command
from tests.small import use_tiny_presets

use_tiny_presets(pytest.MonkeyPatch())
sys.exit(command.main(sys.argv[1:]))
"""
ROOT = pathlib.Path(__file__).parents[3]


FLAGS = ["--task=reconstruct", "--steps=6", "--chunk_steps=2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, name in enumerate("abcde"):
        noise = np.random.default_rng(number).integers(0, 99, (16, 18, 3), np.uint8)
        Image.fromarray(noise + 100).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    """The pictures restored by one device and one process."""
    folder = tmp_path_factory.mktemp("alone")
    out = folder / "out"
    with tiny_runs(folder):
        assert command.main([f"--image={photos}", *FLAGS, f"--out={out}"]) == 0
    return pictures(out)


def pictures(out):
    return {path.parent.name: path.read_bytes() for path in out.glob("*/restored.png")}


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {row["picture"]: row["state"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_two_devices_make_the_same_pictures(photos, alone, tmp_path, tiny_presets, capsys):
    flags = [f"--image={photos}", *FLAGS, f"--out={tmp_path / 'two'}", "--devices=2"]
    assert command.main(flags) == 0
    assert "on 2 x cpu" in capsys.readouterr().out
    assert pictures(tmp_path / "two") == alone
    assert rows(tmp_path / "two") == dict.fromkeys("abcde", "done")


@pytest.mark.slow
def test_an_interrupt_ends_both_and_leaves_what_is_done(
    photos, alone, tmp_path, tiny_presets, monkeypatch
):
    progress, calls = batch.Batch._progress, []

    def stop_later(self, entry, share):
        calls.append(share)
        self.interrupted = len(calls) > 4
        return progress(self, entry, share)

    monkeypatch.setattr(batch.Batch, "_progress", stop_later)
    out = tmp_path / "out"
    flags = [f"--image={photos}", *FLAGS, f"--out={out}"]
    assert command.main([*flags, "--devices=2"]) == 130
    assert set(rows(out).values()) > {"done"} or "not done" in rows(out).values()
    # Kept at the interrupt itself: the next checkpoint would have been due after 30 s.
    assert list(out.rglob("settings.json"))
    monkeypatch.setattr(batch.Batch, "_progress", progress)
    assert command.main([*flags, "--resume"]) == 0
    assert pictures(out) == alone


def test_more_devices_than_there_are_is_told():
    there = len(jax.devices())
    with pytest.raises(UserError, match=f"--devices={there + 1}: there are {there} here"):
        device.choose_devices("cpu", there + 1)
    with pytest.raises(UserError, match="at least 1"):
        device.choose_devices("cpu", 0)


def start(environment, *argv):
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment | {"JAX_PLATFORMS": "cpu"},
    )


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_two_processes_share_a_folder(photos, alone, tmp_path):
    out = tmp_path / "out"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}  # a cache of their own
    flags = [f"--image={photos}", *FLAGS, f"--out={out}", "--backend=cpu"]
    flags += [f"--coordinator=127.0.0.1:{free_port()}", "--processes=2"]
    both = [start(environment, *flags, f"--process={index}") for index in (0, 1)]
    texts = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "process 0 of 2: 3 of them" in texts[0]
    assert "process 1 of 2: 2 of them" in texts[1]
    assert rows(out) == dict.fromkeys("abcde", "done")
    assert pictures(out) == alone


@pytest.mark.slow
def test_a_coordinator_out_of_reach_is_one_line(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dip_jax.app.machine.cluster.WAIT", 1)
    flags = [f"--image={photos}", f"--out={tmp_path / 'out'}"]
    flags += [f"--coordinator=127.0.0.1:{free_port()}", "--processes=2", "--process=1"]
    assert command.main(flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not joined by 2 processes" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--coordinator=here"], "must be HOST:PORT"),
        (["--coordinator=here:1"], "needs --processes and --process"),
        (["--coordinator=h:1", "--processes=2", "--process=2"], "must be from 0 to 1"),
        (["--coordinator=h:70000", "--processes=2", "--process=0"], "must be HOST:PORT"),
        (
            ["--coordinator=h:1", "--processes=0", "--process=0"],
            "--processes=0: must be at least 1",
        ),
        (["--processes=2"], "--processes=2: needs a --coordinator"),
        (["--process=0"], "--process=0: needs a --coordinator"),
        (["--distributed"], "finds no cluster"),
    ],
)
def test_cluster_flags_that_do_not_fit_are_told(flags, words, photos, tmp_path, capsys):
    code = command.main([f"--image={photos}", f"--out={tmp_path / 'out'}", *flags])
    assert (code, words in capsys.readouterr().err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_flags_of_many_pictures_do_not_go_with_one(photos, capsys):
    assert command.main([f"--image={photos / 'a.png'}", "--devices=2"]) == 2
    assert "is for many pictures" in capsys.readouterr().err
