"""The enlarged picture that agrees with the small one it was made from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dip_jax.operators import lanczos_taps, resampling_sources


def project_onto_small_picture(
    enlarged: np.ndarray, y: np.ndarray, factor: int, lobes: int
) -> np.ndarray:
    """Returns the picture nearest to ``enlarged`` that gives ``y`` when it is downsampled again.

    A fit of a few hundred steps, or one that averages, is some levels away from that. If the true
    picture gives ``y``, this projection onto all pictures that do is nearer to it than
    ``enlarged``. It amplifies noise of ``y`` by 1.2.

    Args:
      enlarged: float ``[factor * h, factor * w, c]``.
      y: the small picture, float ``[h, w, c]``.
      factor: integer ratio of sizes.
      lobes: of the Lanczos filter that made the picture small, 2 or 3.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import splu

    taps = lanczos_taps(factor, lobes)
    matrices = []  # sparse: full ones would take the memory that tiles save
    for size in enlarged.shape[:2]:
        source = resampling_sources(size, len(taps), factor)
        place = np.repeat(np.arange(len(source)), len(taps)), source.ravel()
        values = np.tile(taps, len(source))
        matrices.append(csr_array((values, place), shape=(len(source), size)))
    change = y - _apply_to_both_axes(matrices, enlarged)
    for axis, matrix in enumerate(matrices):
        solve = splu((matrix @ matrix.T).tocsc()).solve  # a narrow band
        change = _apply_along(solve, axis, change)
    change = _apply_to_both_axes([matrix.T for matrix in matrices], change)
    return (enlarged + change).astype(np.float32)


def _apply_to_both_axes(matrices: list[Any], image: np.ndarray) -> np.ndarray:
    for axis, matrix in enumerate(matrices):
        image = _apply_along(matrix.__matmul__, axis, image)
    return image


def _apply_along(
    function: Callable[[np.ndarray], np.ndarray], axis: int, image: np.ndarray
) -> np.ndarray:
    """Applies a function of columns ``[n, m]`` along an axis of ``[h, w, c]``."""
    columns = np.moveaxis(image, axis, 0).astype(np.float64)
    result = function(columns.reshape(len(columns), -1))
    return np.moveaxis(result.reshape(-1, *columns.shape[1:]), 0, axis)
