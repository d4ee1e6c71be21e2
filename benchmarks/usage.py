"""Memory in use: of this process where jax computes on a CPU, else of its first device.

``resource.getrusage`` serves only where there is no ``/proc``: on Linux its maximum starts
from what the parent process held.
"""

import sys
from pathlib import Path

import jax

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_bytes() -> int:
    """The most that was in use at a time."""
    if jax.default_backend() != "cpu":
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    if _STATUS.exists():
        return _kilobytes(_STATUS, "VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def held_bytes() -> int:
    """What is in use now; where that cannot be told, the peak."""
    if jax.default_backend() != "cpu":
        return jax.devices()[0].memory_stats()["bytes_in_use"]
    return _kilobytes(_STATUS, "VmRSS") if _STATUS.exists() else peak_bytes()


def forget_peak() -> bool:
    """Lets the peak start anew from what is held; False where that is impossible."""
    if jax.default_backend() != "cpu":
        return False
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _kilobytes(path: Path, name: str) -> int:
    """Bytes of a line such as ``VmHWM:  1000 kB``."""
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
