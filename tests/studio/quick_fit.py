"""The command itself, with tiny networks."""

import operator
import pathlib
import sys
import types


def main():
    sys.path[0] = str(pathlib.Path(__file__).parents[2])  # where this package is found
    from dip_jax.app.cli import command
    from tests.small import use_tiny_presets

    # As pytest would, which takes a while to import; nothing is undone here.
    use_tiny_presets(types.SimpleNamespace(setattr=setattr, setitem=operator.setitem))
    command.entry()


if __name__ == "__main__":
    main()
