"""Where to compute, and where compiled programs are kept."""

import contextlib
import os
from pathlib import Path

import jax

from dip_jax.app.errors import UserError


def choose_device(backend: str) -> str:
    """Makes a backend's first device the default and describes it; "auto" lets jax choose.

    To be called before anything is computed. Also turns on jax's cache of compiled programs,
    in ``JAX_COMPILATION_CACHE_DIR`` or ``~/.cache/dip_jax``.

    Raises:
      UserError: if there is no such device.
    """
    if backend == "cpu":
        jax.config.update("jax_platforms", "cpu")  # leaves accelerators alone
    try:
        device = jax.devices(None if backend == "auto" else backend)[0]
    except RuntimeError as error:
        raise UserError(
            "--backend",
            backend,
            f"jax finds no such device here ({str(error).splitlines()[0]}); use --backend=cpu, "
            "or see BUILD.md for how to install jax for it",
        ) from error
    jax.config.update("jax_default_device", device)
    _keep_programs()
    kind = f"{os.cpu_count()} cores" if device.platform == "cpu" else device.device_kind
    return f"{device.platform} ({kind})"


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
