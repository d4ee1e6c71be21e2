"""Python code in a process of its own, to measure it from its start or at its peak."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.app import UserError

_ROOT = Path(__file__).parents[2]


_DEVICE = """
import json, sys, jax
from dip_jax.app.machine import choose_device
backend, = json.loads(sys.argv[1])
print(json.dumps([choose_device(backend), jax.devices()[0].platform]))
"""


class Device(NamedTuple):
    """The device of a backend on this machine."""

    description: str
    backend: str
    """``"cpu"``, ``"gpu"`` or ``"tpu"``."""


class Finished(NamedTuple):
    """The result of a process."""

    seconds: float
    """Seconds from its start to its end."""
    result: Any
    """The JSON in its last line of output; None without output."""


def run_code(code: str, *arguments: Any, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs ``code`` in a new interpreter, which finds this checkout's packages.

    Args:
      code: reads its arguments with ``json.loads(sys.argv[1])`` and may print JSON at the end.
      *arguments: values that JSON can hold.
      environment: variables to add to this process's environment.

    Raises:
      UserError: if ``code`` raised one.
      ChildProcessError: if it failed in any other way.
    """
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if process.returncode < 0:
        raise ChildProcessError(f"a process was killed by signal {-process.returncode}")
    if process.returncode > 0:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        name = f"{UserError.__module__}.{UserError.__name__}: "
        if last.startswith(name):
            raise UserError("", None, last.removeprefix(name))
        raise ChildProcessError(f"a process failed: {last}")
    lines = process.stdout.strip().splitlines()
    return Finished(seconds, json.loads(lines[-1]) if lines else None)


def find_device(backend: str) -> Device:
    """Finds the device in another process, so that this one does not occupy it.

    Raises:
      UserError: if there is no such device.
    """
    return Device(*run_code(_DEVICE, backend).result)
