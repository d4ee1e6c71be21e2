"""Whether a picture fits the memory, told before the run, and what would."""

import contextlib
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from dip_jax.app.errors import UserError
from dip_jax.app.settings import LEAST_TILE, Preset

# More than any preset takes for a pixel. Below half of what is free no program is compiled to
# tell.
_SUSPECT = 10_000
_SHARE = 0.85  # of the free memory, that a run may take: the compiler's account is 15 % off
_TABLE, _STATUS = Path("/proc/meminfo"), Path("/proc/self/statm")
_GROUP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """What may be asked for yet, of the default device or this machine."""
    if jax.default_backend() != "cpu":
        (device,) = jnp.zeros(()).devices()  # the default of this thread
        stats = device.memory_stats()
        if not stats:  # some allocators keep no account
            return sys.maxsize
        return stats["bytes_limit"] - stats["bytes_in_use"]
    free, devices = min(_of_machine(), _of_group()), jax.local_device_count()
    if devices == 1:
        return free
    # Fits on several devices of one CPU share its memory, that of those under way as well.
    return (free + _own()) // devices


def _own() -> int:
    """What this process takes of what is no longer free."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _of_machine() -> int:
    if _TABLE.exists():
        lines = dict(line.split(":", 1) for line in _TABLE.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_group() -> int:
    """What the control group leaves, which a container or a batch queue may have set."""
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


def suspect(pixels: int) -> bool:
    """Whether a canvas of so many pixels may not fit."""
    return pixels * _SUSPECT > available_bytes() / 2


def fitting_tile(preset: Preset, pixels: int, needed: int, *, allowed: bool) -> int:
    """The side of tiles that fit, or the preset's if the picture does.

    Args:
      preset: with the present ``tile``.
      pixels: of the canvas that needs so much memory.
      needed: bytes.
      allowed: whether tiles may be chosen.

    Raises:
      UserError: if they are needed and not allowed, or would be too small.
    """
    free = _SHARE * available_bytes()
    if needed <= free:
        return preset.tile
    times = preset.factor if preset.task == "super_resolve" else 1
    side = int((pixels * free / needed) ** 0.5) // times // 32 * 32
    told = f"needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free for it"
    if side < LEAST_TILE:
        raise UserError("", "", f"the fit {told}; take a narrower preset or free some memory")
    if not allowed:
        mend = f"--fit_memory restores it in tiles (--tile={side}); or take a narrower preset"
        raise UserError("", "", f"the fit {told}; {mend}")
    return side
