"""Whether a picture fits the memory, and which tiles would: known before the run."""

import contextlib
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from dip_jax.app.errors import UserError
from dip_jax.app.recipe import LEAST_TILE

# Bytes; more than any preset takes for a pixel. Where that is below half of the free memory, no
# program is compiled to find out.
_MOST_PER_PIXEL = 10_000
_SHARE = 0.85  # of the free memory that a run may take: the compiler's estimate is 15 % off
_TABLE, _STATUS = Path("/proc/meminfo"), Path("/proc/self/statm")
_GROUP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Returns the memory still free on the default device, or on this machine."""
    if jax.default_backend() != "cpu":
        (device,) = jnp.zeros(()).devices()  # this thread's default
        stats = device.memory_stats()
        if not stats:  # some allocators keep no statistics
            return sys.maxsize
        return stats["bytes_limit"] - stats["bytes_in_use"]
    free, devices = min(_free_on_machine(), _free_in_group()), jax.local_device_count()
    if devices == 1:
        return free
    # Fits on several devices of one CPU share its memory, with what running fits hold.
    return (free + _held_bytes()) // devices


def used_bytes() -> int:
    """Returns the memory in use: the most of the default device, or of this process now."""
    if jax.default_backend() != "cpu":
        (device,) = jnp.zeros(()).devices()  # this thread's default
        return (device.memory_stats() or {}).get("peak_bytes_in_use", 0)
    return _held_bytes()


def _held_bytes() -> int:
    """Returns the memory that this process holds."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _free_on_machine() -> int:
    if _TABLE.exists():
        lines = dict(line.split(":", 1) for line in _TABLE.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free_in_group() -> int:
    """Returns what the control group of a container or a batch queue leaves."""
    own = ""
    with contextlib.suppress(OSError, IndexError):
        own = _GROUP.read_text().splitlines()[-1].split("::", 1)[1].lstrip("/")
    least = sys.maxsize
    # A queue may set it for a whole job, some groups above.
    for group in (_GROUPS / own, *(_GROUPS / parent for parent in Path(own).parents)):
        with contextlib.suppress(OSError, ValueError, KeyError):
            limit = int((group / "memory.max").read_text())  # a ValueError for "max"
            cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / "memory.current").read_text()) - int(cached["inactive_file"])
            least = min(least, max(0, limit - used))
    return least


def may_not_fit(pixels: int) -> bool:
    """Whether a canvas with so many pixels may not fit, so that it pays to ask the compiler."""
    return pixels * _MOST_PER_PIXEL > available_bytes() / 2


def largest_tile(tile: int, factor: int, pixels: int, needed: int, *, allowed: bool) -> int:
    """Returns the side of the largest tiles that fit, or ``tile`` if the picture does.

    Args:
      tile: the side that the user wants; 0 for the whole picture.
      factor: how many times larger the result is than the picture.
      pixels: of the canvas that needs so much memory.
      needed: bytes.
      allowed: whether tiles may be chosen.

    Raises:
      UserError: if tiles are needed and not allowed, or would be too small.
    """
    free = _SHARE * available_bytes()
    if needed <= free:
        return tile
    side = int((pixels * free / needed) ** 0.5) // factor // 32 * 32
    shortage = f"needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free for it"
    if side < LEAST_TILE:
        mend = "take a narrower preset or free some memory"
        raise UserError("", "", f"the fit {shortage}; {mend}")
    if not allowed:
        mend = f"--fit_memory restores it in tiles (--tile={side}); or take a narrower preset"
        raise UserError("", "", f"the fit {shortage}; {mend}")
    return side
