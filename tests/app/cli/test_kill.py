"""kill -9 at any moment of a folder's run, each time resumed: nothing lost, equal bits.

``DIP_JAX_KILLS=50 python -m pytest tests/app/cli/test_kill.py`` kills more often.
"""

import csv
import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.files.checkpoint import FOLDER
from tests.app.common import contents

KILLS = int(os.environ.get("DIP_JAX_KILLS", "2"))
# The command with a tiny network, in a process of its own.
CODE = """
import sys
import pytest
from dip_jax.app.cli import command
from tests.small import use_tiny_presets

use_tiny_presets(pytest.MonkeyPatch())
sys.exit(command.main(sys.argv[1:]))
"""
ROOT = pathlib.Path(__file__).parents[3]
PICTURES = 3


@pytest.fixture
def environment(tmp_path):
    return os.environ | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(tmp_path)}


def start(environment, *argv):
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment,
    )


def finish(environment, *argv):
    assert start(environment, *argv).wait(300) == 0


def check(out, whole):
    """Whether a run ended as the undisturbed one did, and left nothing else."""
    assert contents(out) == contents(whole)
    assert not list(out.rglob(FOLDER))
    assert not list(out.rglob(".*partial*"))
    with (out / "summary.csv").open(encoding="utf-8") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["done"] * PICTURES


@pytest.mark.slow
def test_a_folder_survives_kills_at_random_moments(tmp_path, environment):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PICTURES):
        noise = np.random.default_rng(number).integers(0, 90, (48, 48, 3), np.uint8)
        Image.fromarray(noise + 100).save(photos / f"{number}.png")
    flags = [f"--image={photos}", "--steps=15", "--chunk_steps=5", "--members=2"]
    flags += ["--backend=cpu", "--task=reconstruct"]  # which has the least to compile
    whole = tmp_path / "whole"
    begun = time.monotonic()
    finish(environment, *flags, f"--out={whole}")
    seconds = 0.7 * (time.monotonic() - begun)  # the others need not compile
    chance, kills, runs = random.Random(0), 0, 0
    out = tmp_path / "0"
    while kills < KILLS:
        process = start(environment, *flags, f"--out={out}", "--checkpoint=0", "--resume")
        try:
            assert process.wait(chance.uniform(0.3, 1.0) * seconds) == 0
            check(out, whole)
            runs += 1
            out = tmp_path / str(runs)  # more kills are owed: another run
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    finish(environment, *flags, f"--out={out}", "--checkpoint=0", "--resume")
    check(out, whole)
