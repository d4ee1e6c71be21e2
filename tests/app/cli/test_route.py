"""The route from ``main`` to the compiled loop."""

import pathlib
import traceback

import numpy as np
import pytest

import dip_jax
from dip_jax import loop
from dip_jax.app.cli import command
from dip_jax.app.files import write_picture

PACKAGE = pathlib.Path(dip_jax.__file__).parent


@pytest.mark.slow
def test_few_frames_lie_between_main_and_the_compiled_loop(tmp_path, tiny_presets, monkeypatch):
    """A reader follows eight calls at most, counted without the two ends."""
    original, routes = loop.jitted_loop, []

    def record(platform):
        frames = [
            frame.name
            for frame in traceback.extract_stack()
            if PACKAGE in pathlib.Path(frame.filename).parents
        ]
        routes.append(frames[frames.index("main") + 1 :])
        return original(platform)

    monkeypatch.setattr(loop, "jitted_loop", record)  # what compiles and runs the loop
    write_picture(tmp_path / "p.png", np.full((16, 16, 3), 0.5))
    flags = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", "--steps=2"]
    flags.append("--task=reconstruct")  # which has the least to compile
    assert command.main(flags) == 0
    assert routes
    assert max(map(len, routes)) <= 8, routes
