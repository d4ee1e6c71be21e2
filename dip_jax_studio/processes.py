"""How modules of this repository are run in processes of their own."""

import os
import sys
from pathlib import Path

_PACKAGES = Path(__file__).resolve().parents[1]


def call(module: str) -> tuple[str, ...]:
    """Returns the words that run a module; -P: the working folder holds nothing to be imported."""
    return (sys.executable, "-P", "-m", module)


def environment() -> dict[str, str]:
    """Returns the environment in which they find the packages, even if none is installed."""
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = [str(_PACKAGES), *map(os.path.abspath, given)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
