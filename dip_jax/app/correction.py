"""What is made better after a fit, by what is known of the noise, or of the picture itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax import filling
from dip_jax.app.noise import Noise, measured, undone
from dip_jax.app.problem import Problem
from dip_jax.app.settings import Preset
from dip_jax.app.stopping import measured_whole
from dip_jax.operators import lanczos_taps, resampling_sources

_undone = jax.jit(undone)  # as one program
_measured = jax.jit(measured)
_complete = jax.jit(filling.complete)
_REACH = 8.0  # pixels; of the window in which a fit's error is estimated
_PRIOR = 3000.0  # values of the whole picture that count beside those of the window
_FORESEEN = 0.2  # the usual share of what is missed, of a fit that foresees the known pixels
_PRIOR_PIXELS = 100  # held-out ones that what is usual is worth


def corrected(
    restored: np.ndarray, problem: Problem, unseen: np.ndarray, noise: Noise
) -> np.ndarray:
    """A restoration ``[h, w, c]`` with unseen values weighed in, and clipping undone.

    Args:
      restored: as the fit left it, of the picture alone: the mean of what is measured.
      problem: as it was placed.
      unseen: of the problem's size, 1 where the fit did not see a pixel's value, 0 elsewhere.
      noise: of the picture.
    """
    crop = problem.window.crop
    image = regained(restored, crop(problem.y), crop(unseen), noise)
    return np.asarray(_undone(noise.clip_law(), image)) if noise.clipped else image


def as_measured(image: np.ndarray, noise: Noise) -> np.ndarray:
    """The mean of what is measured of an image, where ``noise`` was clipped."""
    return np.asarray(_measured(noise.clip_law(), image))


def completed(filled: np.ndarray, problem: Problem, held: np.ndarray, preset: Preset) -> np.ndarray:
    """What is known, and ``filled [h, w, c]`` in holes, moved to join it.

    How far, is learned from the pixels held out: what a fit misses beside them it misses there
    too, if it is the picture's and not noise. (It foresees the other known pixels too well to be
    judged by them.)

    Args:
      filled: a fit's estimate, of the picture alone.
      problem: as it was placed.
      held: of the problem's size, 1 where a known pixel was held out from the fit.
      preset: of the fit.
    """
    # On the canvas, as the fit: pictures of many sizes share the program.
    window, y, known = problem.window, problem.y, problem.known
    filled = window.pad(filled)
    there = held[:, :, 0] == 1
    moved = np.asarray(_complete(filled, y, known - held, np.float32(1.0)))
    change, wanted = (moved - filled)[there], (y - filled)[there]
    found = np.sum(change * wanted) / max(np.sum(change**2), 1e-12)
    count = np.count_nonzero(there)
    usual = _FORESEEN if preset.hide else 1.0
    share = (count * found + _PRIOR_PIXELS * usual) / (count + _PRIOR_PIXELS)
    weight = np.float32(np.clip(share, 0, 1))
    return window.crop(np.asarray(_complete(filled, y, known, weight)))


def agreeing(enlarged: np.ndarray, y: np.ndarray, preset: Preset) -> np.ndarray:
    """The picture nearest to ``enlarged`` that gives ``y`` when it is made small again.

    A fit of a few hundred steps, and one that averages, is still some levels away from that. If
    the true picture gives ``y``, the result is nearer to it than ``enlarged`` is: it is the
    projection onto all that do. Noise of ``y`` comes with it, 1.2 times as much as there is.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import splu

    taps = lanczos_taps(preset.factor, preset.lobes)
    matrices = []  # full ones would take the memory that tiles spare
    for size in enlarged.shape[:2]:
        source = resampling_sources(size, len(taps), preset.factor)
        place = np.repeat(np.arange(len(source)), len(taps)), source.ravel()
        values = np.tile(taps, len(source))
        matrices.append(csr_array((values, place), shape=(len(source), size)))
    change = y - _along_both(matrices, enlarged)
    for axis, matrix in enumerate(matrices):
        solve = splu((matrix @ matrix.T).tocsc()).solve  # a narrow band
        change = _along(solve, axis, change)
    change = _along_both([matrix.T for matrix in matrices], change)
    return (enlarged + change).astype(np.float32)


def _along_both(matrices: list[Any], image: np.ndarray) -> np.ndarray:
    for axis, matrix in enumerate(matrices):
        image = _along(matrix.__matmul__, axis, image)
    return image


def _along(
    function: Callable[[np.ndarray], np.ndarray], axis: int, image: np.ndarray
) -> np.ndarray:
    """``function`` of columns ``[n, m]``, applied along an axis of ``[h, w, c]``."""
    columns = np.moveaxis(image, axis, 0).astype(np.float64)
    result = function(columns.reshape(len(columns), -1))
    return np.moveaxis(result.reshape(-1, *columns.shape[1:]), 0, axis)


def regained(restored: np.ndarray, y: np.ndarray, unseen: np.ndarray, noise: Noise) -> np.ndarray:
    """The restoration with values weighed in that the fit did not see, or hid from itself.

    Of such a pixel the fit knows the surroundings alone. Its error there, of variance e^2, and
    the noise of the pixel's own value, s^2, are independent, so the mean with the weights s^2
    and e^2 is nearer than either. e^2 is what the distance of the two exceeds the noise by: the
    mean of a window around, as it is larger in texture, and of the picture where the window holds
    few such values.

    Args:
      restored: ``[h, w, c]``.
      y: the noisy picture, of its shape.
      unseen: ``[h, w, 1]``, 1 where the fit did not see the value of ``y``, 0 elsewhere.
      noise: of ``y``.
    """
    from scipy.ndimage import gaussian_filter  # a sixth of a second

    counts = unseen * np.asarray(measured_whole(jnp.asarray(y), noise))
    if not counts.any():
        return restored
    variance = np.asarray(noise.deviation(jnp.asarray(restored))) ** 2
    excess = counts * ((restored - y) ** 2 - variance)
    values = 4 * np.pi * _REACH**2  # that a window is worth, if all count
    found, number = (
        gaussian_filter(array.sum(axis=2, keepdims=True), (_REACH, _REACH, 0)) * values
        for array in (excess, counts)
    )
    error = (found + _PRIOR * excess.sum() / counts.sum()) / (number + _PRIOR)
    error = np.maximum(error, 0)
    return restored + counts * error / (error + np.maximum(variance, 1e-12)) * (y - restored)
