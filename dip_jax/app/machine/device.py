"""Where to compute, and where compiled programs are kept."""

import contextlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax

from dip_jax.app.errors import UserError


class Devices(NamedTuple):
    """Where to compute."""

    each: list[Any]
    description: str


def choose_devices(backend: str, count: int | None = None) -> Devices:
    """Makes a backend's first device the default; "auto" lets jax choose the backend.

    Call it before anything is computed. It also turns on jax's cache of compiled programs,
    in ``JAX_COMPILATION_CACHE_DIR`` or ``~/.cache/dip_jax``.

    Args:
      backend: "auto", "cpu", "gpu" or "tpu".
      count: how many of them; None is all, but for a CPU, which is one unless more are asked
        for. (Its cores serve one fit as well.)

    Raises:
      UserError: if there is no such device, or fewer than ``count``.
    """
    if count is not None and count < 1:
        raise UserError("--devices", count, "must be at least 1")
    if backend == "cpu":
        jax.config.update("jax_platforms", "cpu")  # leaves accelerators alone
    try:
        if count is not None and count > 1:
            with contextlib.suppress(RuntimeError):  # devices are awake, as in a notebook
                jax.config.update("jax_num_cpu_devices", count)
        devices = jax.local_devices(backend=None if backend == "auto" else backend)
    except RuntimeError as error:
        raise UserError(
            "--backend",
            backend,
            f"jax finds no such device here ({str(error).splitlines()[0]}); use --backend=cpu, "
            "or see BUILD.md for how to install jax for it",
        ) from error
    cpu = devices[0].platform == "cpu"
    wanted = count or (1 if cpu else len(devices))
    if wanted > len(devices):
        raise UserError("--devices", wanted, f"there are {len(devices)} here; take that many")
    jax.config.update("jax_default_device", devices[0])
    _keep_programs()
    kind = f"{os.cpu_count()} cores" if cpu else devices[0].device_kind
    several = f"{wanted} x " if wanted > 1 else ""
    return Devices(devices[:wanted], f"{several}{devices[0].platform} ({kind})")


def choose_device(backend: str) -> str:
    """As :func:`choose_devices`, for one; returns its description."""
    return choose_devices(backend, 1).description


def _keep_programs() -> None:
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        # Small programs too: dozens of them make a second.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return  # the user's own
    with contextlib.suppress(OSError, RuntimeError):  # no home, or none that can be written
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dip_jax"
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
