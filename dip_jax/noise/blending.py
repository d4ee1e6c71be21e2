"""Values that a fit did not see, blended into its result by their noise."""

import jax.numpy as jnp
import numpy as np

from dip_jax.noise.model import NoiseModel, where_model_holds

_REACH = 8.0  # pixels; standard deviation of the window in which a fit's error is estimated
_PRIOR = 3000.0  # values of the whole picture that count beside those in the window


def blend_unseen_pixels(
    restored: np.ndarray, y: np.ndarray, unseen: np.ndarray, noise: NoiseModel
) -> np.ndarray:
    """Returns the restoration with values blended in that the fit did not see, or hid from itself.

    For such a pixel the fit knows only the surroundings. Its error there, with variance e^2, and
    the noise of the pixel's own value, with variance s^2, are independent. So their mean with the
    weights s^2 and e^2 is better than either. e^2 is the excess of the squared distance between
    the two over s^2: the mean over a window, since it is larger in texture, and over the picture
    where the window holds few such values.

    Args:
      restored: ``[h, w, c]``.
      y: the noisy picture, of its shape.
      unseen: ``[h, w, 1]``, 1 where the fit did not see the value of ``y``, 0 elsewhere.
      noise: of ``y``.
    """
    from scipy.ndimage import gaussian_filter  # a sixth of a second

    counts = unseen * np.asarray(where_model_holds(jnp.asarray(y), noise))
    if not counts.any():
        return restored
    variance = np.asarray(noise.standard_deviation(jnp.asarray(restored))) ** 2
    excess = counts * ((restored - y) ** 2 - variance)
    values = 4 * np.pi * _REACH**2  # in a window where all count
    found, number = (
        gaussian_filter(array.sum(axis=2, keepdims=True), (_REACH, _REACH, 0)) * values
        for array in (excess, counts)
    )
    error = (found + _PRIOR * excess.sum() / counts.sum()) / (number + _PRIOR)
    error = np.maximum(error, 0)
    return restored + counts * error / (error + np.maximum(variance, 1e-12)) * (y - restored)
