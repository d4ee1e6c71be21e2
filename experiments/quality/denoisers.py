"""Denoising methods by name: our presets and classical methods, on the same arrays.

``fast``, ``paper``, ... are presets; ``fast:r2r`` is a preset with another stopping rule;
``fast*4`` is the mean over four seeds. No method sees the clean picture; it serves the reported
curve only. ``bm3d_unclipped`` is BM3D's result after undoing the clipping of the noise, as our
presets do (:mod:`dip_jax.noise`).
"""

import time
from typing import Any

import jax.numpy as jnp
import numpy as np

from dip_jax.noise import invert_clipping
from experiments.program import require
from experiments.quality.tables import find_method, run_method

CLASSICAL = ("noisy", "nlm", "tv", "bm3d", "bm3d_unclipped")


def check_method(method: str, flag: str = "--methods") -> None:
    """Checks a method's name.

    Raises:
      UserError: if there is no such method, or its package is not installed.
    """
    if method in ("bm3d", "bm3d_unclipped"):
        require("bm3d", "tables", flag, method)
    elif method not in CLASSICAL:
        find_method(method, "denoise", flag)


def denoise(
    method: str, y: np.ndarray, sigma: float, seed: int, reference: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Returns the restored picture and a record of the run.

    Args:
      method: see the module's docstring.
      y: the noisy picture, float32 ``[h, w, c]`` in [0, 1].
      sigma: the true noise level in 8-bit levels, given to every method.
      seed: the network's seed.
      reference: the clean picture.
    """
    if method not in CLASSICAL:
        result, record = run_method(find_method(method, "denoise"), y, seed, reference, sigma=sigma)
        return result.image, record
    start = time.perf_counter()
    image = _denoise_classically(method, y, sigma / 255)
    return image, {"seconds": f"{time.perf_counter() - start:.1f}"}


def _denoise_classically(method: str, y: np.ndarray, sigma: float) -> np.ndarray:
    if method == "bm3d":
        import bm3d

        image = bm3d.bm3d_rgb(y, sigma) if y.shape[2] == 3 else bm3d.bm3d(y, sigma)
        return np.clip(image, 0, 1).reshape(y.shape)  # bm3d drops a single channel
    if method == "bm3d_unclipped":  # to isolate the gain from knowing the clipping
        return np.asarray(
            invert_clipping(jnp.asarray(_denoise_classically("bm3d", y, sigma)), sigma)
        )
    if method == "nlm":
        from skimage.restoration import denoise_nl_means

        # The settings of scikit-image's example with a known noise level.
        options = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * sigma, "sigma": sigma}
        picture, axis = (y[:, :, 0], None) if y.shape[2] == 1 else (y, 2)
        image = denoise_nl_means(picture, channel_axis=axis, fast_mode=False, **options)
        return image.reshape(y.shape)
    if method == "tv":
        from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

        # Choose the weight by self-supervision, from the noisy picture alone.
        weights = {"weight": sigma * np.linspace(0.5, 2.0, 7), "channel_axis": [2]}
        return calibrate_denoiser(y, denoise_tv_chambolle, weights)(y)
    return y
