"""Memory in use: of this process if jax runs on a CPU, else of its first device.

``resource.getrusage`` is a fallback for systems without ``/proc``: on Linux its maximum includes
what the parent process held.
"""

import sys
from pathlib import Path

import jax

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def read_peak() -> int:
    """Returns the peak in bytes."""
    if jax.default_backend() != "cpu":
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    if _STATUS.exists():
        return _read_kilobytes(_STATUS, "VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def read_held() -> int:
    """Returns the bytes in use now; the peak, if those are unknown."""
    if jax.default_backend() != "cpu":
        return jax.devices()[0].memory_stats()["bytes_in_use"]
    return _read_kilobytes(_STATUS, "VmRSS") if _STATUS.exists() else read_peak()


def reset_peak() -> bool:
    """Resets the peak to what is in use; returns whether that is possible."""
    if jax.default_backend() != "cpu":
        return False
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _read_kilobytes(path: Path, name: str) -> int:
    """Returns the bytes of a line such as ``VmHWM:  1000 kB``."""
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
