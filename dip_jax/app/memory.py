"""Whether a picture fits the memory, told before the run, and what would."""

import os
from pathlib import Path

import jax

from dip_jax.app.errors import UserError
from dip_jax.app.presets import LEAST_TILE, Preset

# More than any preset takes for a pixel. Below half of what is free no program is compiled to
# tell.
_SUSPECT = 10_000
_SHARE = 0.85  # of the free memory, that a run may take: the compiler's account is 15 % off
_TABLE = Path("/proc/meminfo")


def available_bytes() -> int:
    """What may be asked for yet, of the default device or this machine."""
    if jax.default_backend() != "cpu":
        stats = jax.local_devices()[0].memory_stats()
        return stats["bytes_limit"] - stats["bytes_in_use"]
    if _TABLE.exists():
        lines = dict(line.split(":", 1) for line in _TABLE.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
