"""Where to compute, and where compiled programs are kept."""

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
            "jax finds no such device here; use --backend=auto, or see BUILD.md for how to "
            "install jax for it",
        ) from error
    jax.config.update("jax_default_device", device)
    _keep_programs()
    return f"{device.platform} ({device.device_kind})"


def _keep_programs() -> None:
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dip_jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    # The network's programs, not the hundred small ones.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
