"""Where to compute, and where compiled programs are kept."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax

from dip_jax.app.errors import UserError

_BACKEND = re.compile(r"auto|(?P<name>cpu|gpu|tpu)(:(?P<number>\d{1,4}))?")


class Devices(NamedTuple):
    """Where to compute."""

    each: list[Any]
    description: str


def choose_devices(backend: str, count: int | None = None) -> Devices:
    """Makes a device the default: the backend's first, or the one that is numbered.

    "auto" lets jax choose the backend.

    Call it before anything is computed. It also turns on jax's cache of compiled programs,
    in ``JAX_COMPILATION_CACHE_DIR`` or ``~/.cache/dip_jax``.

    Args:
      backend: "auto", "cpu", "gpu" or "tpu"; or one device, such as "gpu:1", the second.
      count: how many of them; None means all accelerators, or one CPU. (One fit can use all its
        cores.)

    Raises:
      UserError: if there is no such device, or fewer than ``count``.
    """
    if count is not None and count < 1:
        raise UserError("--devices", count, "must be at least 1")
    words = _BACKEND.fullmatch(backend)
    if words is None:
        problem = "must be auto, cpu, gpu or tpu, or one of several devices, such as gpu:1"
        raise UserError("--backend", backend, problem)
    name, number = words["name"] or "auto", words["number"]
    if number is not None and count not in (None, 1):
        raise UserError("--devices", count, f"can't go with --backend={backend}; drop one")
    if name == "cpu":
        jax.config.update("jax_platforms", "cpu")  # leaves accelerators alone
    try:
        if count is not None and count > 1:
            with contextlib.suppress(RuntimeError):  # devices are initialised, as in a notebook
                jax.config.update("jax_num_cpu_devices", count)
        devices = jax.local_devices(backend=None if name == "auto" else name)
    except RuntimeError as error:
        raise UserError(
            "--backend",
            backend,
            f"jax finds no such device here ({str(error).splitlines()[0]}), but {_list_all()}; "
            "take one, or see BUILD.md for how to install jax for it",
        ) from error
    if number is not None:
        if int(number) >= len(devices):
            raise UserError("--backend", backend, f"is not here, but {_list(devices)}; take one")
        devices = [devices[int(number)]]
    cpu = devices[0].platform == "cpu"
    wanted = count or (1 if cpu else len(devices))
    if wanted > len(devices):
        raise UserError("--devices", wanted, f"there are {len(devices)} here; take that many")
    jax.config.update("jax_default_device", devices[0])
    _keep_programs()
    if cpu:
        _silence_loader()
    kind = f"{os.cpu_count()} cores" if cpu else devices[0].device_kind
    several = f"{wanted} x " if wanted > 1 else ""
    which = devices[0].platform if number is None else backend
    return Devices(devices[:wanted], f"{several}{which} ({kind})")


def _list(devices: list[Any]) -> str:
    """Returns the devices there are, as the flag names them."""
    return ", ".join(f"{each.platform}:{i} ({each.device_kind})" for i, each in enumerate(devices))


def _list_all() -> str:
    """Returns the devices of the backend that jax chooses; it may choose one that is not here."""
    with contextlib.suppress(RuntimeError):
        return _list(jax.local_devices())
    return "cpu:0"


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


def _silence_loader() -> None:
    """Keeps XLA from writing pages for each program that it takes from the cache.

    It names features that it asked for itself, and that no Intel processor reports
    (jax issue 38445). The programs run. A level that the user has set stays.
    """
    settings: Any = jax.config  # of whose settings jax declares no types
    if settings.jax_logging_level == "NOTSET":
        jax.config.update("jax_logging_level", "CRITICAL")
