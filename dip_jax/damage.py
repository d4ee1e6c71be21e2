"""Damage to clean pictures, for demonstrations, tables and tests.

Pictures are float32 ``[h, w, c]`` in [0, 1]. All randomness comes from the seed, by NumPy.
"""

import numpy as np


def add_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Adds Gaussian noise of ``sigma`` 8-bit levels and clips to [0, 1], as the paper does."""
    noise = np.random.default_rng(seed).normal(size=image.shape)
    return np.clip(image + sigma / 255 * noise, 0, 1).astype(np.float32)


def add_poisson_noise(image: np.ndarray, gain: float, seed: int) -> np.ndarray:
    """Counts photons, each worth ``gain`` 8-bit levels, and clips to [0, 1]."""
    unit = gain / 255
    counts = np.random.default_rng(seed).poisson(image / unit)
    return np.clip(unit * counts, 0, 1).astype(np.float32)


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolves with a kernel ``[k, l]``; beyond its border the picture is mirrored."""
    from scipy.ndimage import convolve  # a sixth of a second

    blurred = [convolve(plane, kernel, mode="reflect") for plane in np.moveaxis(image, 2, 0)]
    return np.stack(blurred, axis=2).astype(np.float32)


def random_mask(shape: tuple[int, int], missing: float, seed: int) -> np.ndarray:
    """A mask ``[h, w, 1]`` with each pixel hidden with probability ``missing``."""
    known = np.random.default_rng(seed).random((*shape, 1)) >= missing
    return known.astype(np.float32)
