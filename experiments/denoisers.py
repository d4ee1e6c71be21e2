"""Denoising methods by name, ours and classical ones, for the same arrays.

``fast``, ``paper``, ... are presets; ``fast:r2r`` is one with another stopping rule, and
``fast*4`` the mean of the results of four seeds. None of them sees the clean picture; it is
passed on for the curve that is reported.
"""

import re
import time
from typing import Any

import numpy as np

from dip_jax.app.errors import UserError
from dip_jax.app.fitting import restore
from dip_jax.app.presets import changed, find_preset
from dip_jax.app.restoration import Restoration
from experiments.program import require

CLASSICAL = ("noisy", "nlm", "tv", "bm3d")


def check(method: str, flag: str = "--methods") -> None:
    """Raises a UserError for a method that does not exist or is not installed."""
    if method == "bm3d":
        require("bm3d", "tables", flag, method)
    elif method not in CLASSICAL:
        preset, stop, _ = _parsed(method, flag)
        changed(find_preset(preset, "denoise", flag=flag), flag + " ", **stop)


def denoise(
    method: str, y: np.ndarray, sigma: float, seed: int, reference: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """The restored picture, and what is to be reported of the run.

    Args:
      method: see above.
      y: float32 ``[h, w, c]`` in [0, 1].
      sigma: noise level in 8-bit levels, told to every method.
      seed: of the network.
      reference: the clean picture.
    """
    start = time.perf_counter()
    if method in CLASSICAL:
        image, record = _classical(method, y, sigma / 255), {}
    else:
        preset, options, members = _parsed(method, "--methods")
        result = restore(
            y,
            preset=preset,
            sigma=sigma,
            seed=seed * members,  # no two results share a member
            reference=reference,
            members=members,
            progress=False,
            **options,
        )
        image, record = result.image, {} if members > 1 else _record(result, reference)
    return image, {"seconds": f"{time.perf_counter() - start:.1f}", **record}


def _parsed(method: str, flag: str) -> tuple[str, dict[str, str], int]:
    match = re.fullmatch(r"(\w+)(?::(\w+))?(?:\*([1-9]\d*))?", method)
    if match is None:
        raise UserError(flag, method, "is no method; write fast, fast:r2r, fast*4 or bm3d")
    preset, stop, members = match.groups()
    return preset, {} if stop is None else {"stop": stop}, int(members or 1)


def _record(result: Restoration, reference: np.ndarray) -> dict[str, Any]:
    """How the run went: of the average, which is what a rule chooses from."""
    trace = result.trace
    curve = trace["average_psnr"]
    steps = len(curve)
    chosen = int(trace["chosen"][-1]) if "chosen" in trace else steps
    return {
        "rule": result.preset.stop,
        "steps": steps,
        "chosen": chosen,
        # Of the picture itself: after a divergence, steps are no places in the trace.
        "chosen_psnr": f"{-10 * np.log10(np.mean((result.image - reference) ** 2)):.3f}",
        "oracle": int(np.nanargmax(curve)) + 1,
        "oracle_psnr": f"{np.nanmax(curve):.3f}",
        "last_psnr": f"{curve[-1]:.3f}",
    }


def _classical(method: str, y: np.ndarray, sigma: float) -> np.ndarray:
    if method == "bm3d":
        import bm3d

        return np.clip(bm3d.bm3d_rgb(y, sigma) if y.shape[2] == 3 else bm3d.bm3d(y, sigma), 0, 1)
    if method == "nlm":
        from skimage.restoration import denoise_nl_means

        # The settings of scikit-image's example for a known noise level.
        options = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * sigma, "sigma": sigma}
        return denoise_nl_means(y, channel_axis=2, fast_mode=False, **options)
    if method == "tv":
        from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

        # The weight by self-supervision: the noisy picture alone decides.
        weights = {"weight": sigma * np.linspace(0.5, 2.0, 7), "channel_axis": [2]}
        return calibrate_denoiser(y, denoise_tv_chambolle, weights)(y)
    return y
