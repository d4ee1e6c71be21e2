"""Denoising methods by name, ours and classical ones, for the same arrays.

``fast``, ``paper``, ... are presets; ``fast:r2r`` is one with another stopping rule, and
``fast*4`` the mean of the results of four seeds. None of them sees the clean picture; it is
passed on for the curve that is reported. ``bm3d_unclipped`` is BM3D's result with the noise's
clipping undone as ours have it, see :mod:`dip_jax.clipping`.
"""

import time
from typing import Any

import jax.numpy as jnp
import numpy as np

from dip_jax import clipping
from experiments.program import require
from experiments.tables import find_method, restored

CLASSICAL = ("noisy", "nlm", "tv", "bm3d", "bm3d_unclipped")


def check(method: str, flag: str = "--methods") -> None:
    """Raises a UserError for a method that does not exist or is not installed."""
    if method in ("bm3d", "bm3d_unclipped"):
        require("bm3d", "tables", flag, method)
    elif method not in CLASSICAL:
        find_method(method, "denoise", flag)


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
    if method not in CLASSICAL:
        result, record = restored(find_method(method, "denoise"), y, seed, reference, sigma=sigma)
        return result.image, record
    start = time.perf_counter()
    image = _classical(method, y, sigma / 255)
    return image, {"seconds": f"{time.perf_counter() - start:.1f}"}


def _classical(method: str, y: np.ndarray, sigma: float) -> np.ndarray:
    if method == "bm3d":
        import bm3d

        image = bm3d.bm3d_rgb(y, sigma) if y.shape[2] == 3 else bm3d.bm3d(y, sigma)
        return np.clip(image, 0, 1).reshape(y.shape)  # it drops a single channel
    if method == "bm3d_unclipped":  # so that what our knowledge of clipping brings can be told
        return np.asarray(clipping.unclip(jnp.asarray(_classical("bm3d", y, sigma)), sigma))
    if method == "nlm":
        from skimage.restoration import denoise_nl_means

        # The settings of scikit-image's example for a known noise level.
        options = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * sigma, "sigma": sigma}
        picture, axis = (y[:, :, 0], None) if y.shape[2] == 1 else (y, 2)
        image = denoise_nl_means(picture, channel_axis=axis, fast_mode=False, **options)
        return image.reshape(y.shape)
    if method == "tv":
        from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

        # The weight by self-supervision: the noisy picture alone decides.
        weights = {"weight": sigma * np.linspace(0.5, 2.0, 7), "channel_axis": [2]}
        return calibrate_denoiser(y, denoise_tv_chambolle, weights)(y)
    return y
