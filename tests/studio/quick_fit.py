"""The command itself, with tiny networks."""

import pathlib
import sys

sys.path[0] = str(pathlib.Path(__file__).parents[2])

import pytest

from dip_jax.app.cli import command
from tests.small import use_tiny_presets

if __name__ == "__main__":
    use_tiny_presets(pytest.MonkeyPatch())
    command.entry()
