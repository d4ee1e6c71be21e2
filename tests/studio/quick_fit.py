"""The command itself, with tiny networks."""

import pathlib
import sys

import pytest


def main():
    sys.path[0] = str(pathlib.Path(__file__).parents[2])  # where this package is found
    from dip_jax.app.cli import command
    from tests.small import use_tiny_presets

    use_tiny_presets(pytest.MonkeyPatch())
    command.entry()


if __name__ == "__main__":
    main()
