"""The command in this process, what stands for a fit, and what a run leaves."""

import contextlib

import numpy as np
import pytest

from dip_jax.app.cli import command
from dip_jax.app.machine import programs
from dip_jax.app.restore import Restoration
from tests.small import use_tiny_presets


def run(capsys, *argv):
    """Returns the exit code and what was written to stdout and stderr."""
    code = command.main([str(argument) for argument in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def unfitted(image, preset):
    """A result of no steps."""
    trace = {"loss": np.zeros(0, np.float32)}
    return Restoration(image, image, trace, preset, None, None, 1, 0.0, 0.0, False)


def without_fit(observed, *, preset, **options):
    """For ``restore``: returns the picture as it is."""
    return unfitted(observed, preset)


def contents(out):
    """All that a run leaves, except dates and times."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "summary.csv", "summary.md")
    }


@contextlib.contextmanager
def tiny_runs(folder):
    """For runs that a module's tests share: what conftest.py gives each test, and tiny presets."""
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_presets(patch)
        patch.setattr(programs, "_PLATFORMS", ())
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield
