"""A model of a picture's noise: Gaussian, Poisson or as measured; clipped, correlated."""

import functools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from dip_jax.base import Array, ArrayLike
from dip_jax.compilation import jit
from dip_jax.noise import clipping
from dip_jax.noise.coloring import kernel_transfer

LEVELS = {"gaussian": "sigma", "poisson": "gain"}
"""The kinds of noise, each with the name of its level."""
_LEAST_VARIANCE = 1e-12  # its root has a gradient
_NEARLY_ALL = 0.1  # share of values inside (0, 1), below which all values count


class NoiseModel(NamedTuple):
    """The noise of a picture. Except for "measured" it is independent from value to value."""

    kind: str
    """"gaussian", "poisson" or "measured"."""
    level: float | jax.Array
    """Gaussian: the standard deviation sigma. Poisson: the gain, the brightness of one photon, so
    that the variance is gain times brightness. Measured: its root mean square. In 8-bit levels."""
    clipped: bool = False
    """Whether it was clipped at 1, and Gaussian noise at 0 too; see
    :mod:`dip_jax.noise.clipping`."""
    deviation: ArrayLike | None = None
    """Measured noise only, ``[n, c]``: its standard deviation at n brightnesses, evenly spaced from
    0 to 1, in the picture's units."""
    kernel: ArrayLike | None = None
    """Measured noise only, ``[k, k, c, c]``: the filter that makes it of white noise, before the
    deviation; see :func:`.color`."""

    def standard_deviation(self, y: ArrayLike) -> jax.Array:
        """Returns the standard deviation of the noise at each value of the noisy picture ``y``."""
        return self.standard_deviation_at(smooth(y))

    def standard_deviation_at(self, mean: ArrayLike) -> jax.Array:
        """Returns the standard deviation of the noise where values have this ``mean``."""
        if self.deviation is not None:
            return _interpolate(jnp.asarray(self.deviation), mean)
        return _standard_deviation_at(self._variance_model(), self.clipped, mean)

    def before_clipping(self, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Returns the standard deviation before clipping, and :func:`.clipped_chance`.

        Poisson noise is taken for Gaussian there. Where a photon is worth 50 levels or more, the
        first count beyond white is up to half a photon off, and white by up to 10 levels.
        """
        if not self.clipped:
            return self.standard_deviation(y), jnp.zeros_like(y)
        return _before_clipping(self._variance_model(), y)

    def without_clipping(self, y: ArrayLike, image: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Returns the noisy picture as it would be without clipping, and its standard deviation.

        Clipped values become their expectations. Both are ``[h, w, c]``, like the noisy picture
        ``y`` and an estimate of it without noise, ``image``.
        """
        y = jnp.asarray(y)
        if self.deviation is not None:
            return y, jnp.broadcast_to(self.standard_deviation_at(image), y.shape)
        return _without_clipping(self._variance_model(), self.clipped, y, image)

    def channel_covariance(self, channels: int) -> np.ndarray:
        """Returns how the channels of a pixel share the noise, ``[channels, channels]``.

        Before it is multiplied by the standard deviations: near 1 on the diagonal.
        """
        if self.kernel is None:
            return np.eye(channels, dtype=np.float32)
        kernel = np.asarray(self.kernel)
        return np.einsum("xyam,xybm->ab", kernel, kernel).astype(np.float32)

    def clipping_model(self) -> "VarianceModel":
        """Returns the model for :func:`clipped_mean`; without clipping, that of no noise."""
        if self.clipped:
            return self._variance_model()
        return VarianceModel(jnp.float32(0), jnp.float32(0), jnp.array(True))

    def detect_clipping(self, y: ArrayLike) -> "NoiseModel":
        """Returns the model with ``clipped`` set if ``y`` has enough values of 0 and 1 for it.

        Half of the expected number is enough, since the brightness is only known roughly. Noise
        that is smaller in the dark, as a camera's, leaves none. Black borders do not count.
        """
        if not self.level or self.kind == "measured":
            return self
        if not np.any((y <= 0) | (y >= 1)):  # half a second that the program takes to compile
            return self._replace(clipped=False)
        cut, beyond = _shares_beyond(self._variance_model(), y)
        return self._replace(clipped=bool(cut > 0.5 * beyond))

    def standard_deviation_at_level(self, brightness: float) -> float:
        """Returns the standard deviation of unclipped noise at a brightness, in 8-bit levels."""
        if self.deviation is not None:
            return 255 * float(
                jnp.mean(_interpolate(jnp.asarray(self.deviation), jnp.asarray(brightness / 255)))
            )
        if self.kind == "gaussian":
            return float(self.level)
        return float((brightness * self.level) ** 0.5)

    def rescale(self, low: float, high: float) -> "NoiseModel":
        """Returns the noise of ``(y - low) / (high - low)``.

        Raises:
          ValueError: for Poisson noise and another ``low`` than 0.
        """
        size = high - low
        if self.deviation is not None:
            nodes = np.linspace(low, high, len(self.deviation))[:, None]
            deviation = np.asarray(_interpolate(jnp.asarray(self.deviation), nodes)) / size
            return self._replace(level=self.level / size, deviation=deviation)
        if self.kind == "poisson" and low:
            raise ValueError(f"low={low!r}: must be 0 for Poisson noise, which is none at black")
        return self._replace(level=self.level / size)

    def transfer(self, height: int, width: int) -> jax.Array | None:
        """Returns what :func:`.color` takes for images of that size; None for white noise."""
        return None if self.kernel is None else kernel_transfer(self.kernel, height, width)

    def _variance_model(self) -> "VarianceModel":
        level, nothing = jnp.float32(self.level / 255), jnp.float32(0)
        if self.kind == "poisson":
            return VarianceModel(nothing, level, jnp.array(False))
        return VarianceModel(level, nothing, jnp.array(True))


class VarianceModel(NamedTuple):
    """The noise before clipping, all in numbers, so that every kind shares a program."""

    constant: jax.Array
    """The part of its standard deviation that is the same everywhere."""
    gain: jax.Array
    """The part of its variance that grows with the brightness, divided by the brightness."""
    black: jax.Array
    """Whether it goes below 0 and was clipped there too."""

    def standard_deviation(self, brightness: ArrayLike) -> jax.Array:
        """Returns the standard deviation of the noise at each value of a clean image."""
        variance = self.constant**2 + self.gain * jnp.maximum(brightness, 0)
        return jnp.sqrt(jnp.maximum(variance, _LEAST_VARIANCE))


def clipped_mean(model: VarianceModel, image: ArrayLike) -> jax.Array:
    """Returns the mean of noisy, clipped measurements of an image, of any shape."""
    return clipping.clipped_moments(image, model.standard_deviation(image), model.black)[0]


def invert_clipped_mean(model: VarianceModel, mean: ArrayLike) -> jax.Array:
    """Returns the image in [0, 1] whose noisy, clipped measurements have that ``mean``."""
    return clipping.invert_clipping(mean, model.standard_deviation, model.black)


def outside_flat_areas(y: ArrayLike, black: jax.Array | bool = True) -> jax.Array:
    """Returns 0 in areas of 5x5 or more pixels of pure black or white, where no noise is; else 1.

    ``black`` is false for Poisson noise: few photons leave such areas too.
    """
    brightness = smooth(y)
    flat = (((brightness <= 0) & jnp.asarray(black)) | (brightness >= 1)).astype(y.dtype)
    return (smooth(flat) == 0).astype(y.dtype)  # out of reach of a flat area's centre


def where_model_holds(y: ArrayLike, noise: NoiseModel) -> jax.Array:
    """Returns 1 where the noise is as its model says, 0 where there is none or it was clipped.

    A Poisson variable may well be 0. Where hardly any value is left, all count.
    """
    if noise.clipped:
        return outside_flat_areas(y, black=noise.kind == "gaussian")
    inside = y < 1
    if noise.kind != "poisson":
        inside = inside & (y > 0)
    return ((jnp.mean(inside) < _NEARLY_ALL) | inside).astype(y.dtype)


def _interpolate(table: jax.Array, brightness: ArrayLike) -> jax.Array:
    """Returns values of a table ``[n, c]`` at brightnesses in [0, 1], of shape ``[..., c]``."""
    place = jnp.clip(jnp.asarray(brightness), 0, 1) * (len(table) - 1)
    below = jnp.minimum(place.astype(jnp.int32), len(table) - 2)
    channels = jnp.arange(table.shape[1])
    low, high = table[below, channels], table[below + 1, channels]
    return low + (place - below) * (high - low)


# Each as one program: so many single operations would take seconds to compile.
@functools.partial(jit, static_argnums=1)
def _standard_deviation_at(model: VarianceModel, clipped: bool, mean: ArrayLike) -> jax.Array:
    if not clipped:
        return model.standard_deviation(mean)
    brightness = invert_clipped_mean(model, mean)
    return clipping.clipped_moments(brightness, model.standard_deviation(brightness), model.black)[
        1
    ]


@jit
def _before_clipping(model: VarianceModel, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    brightness = invert_clipped_mean(model, smooth(y))
    sigma = model.standard_deviation(brightness)
    return sigma, clipping.clipped_chance(jnp.asarray(y), brightness, sigma, model.black)


@functools.partial(jit, static_argnums=1)
def _without_clipping(
    model: VarianceModel, clipped: bool, y: Array, image: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    sigma = jnp.broadcast_to(model.standard_deviation(image), y.shape)
    if not clipped:
        return y, sigma
    return clipping.expect_unclipped(y, jnp.asarray(image), sigma, model.black), sigma


@jit
def _shares_beyond(model: VarianceModel, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns the shares of values at 0 or 1, and of those that noise would take beyond."""
    brightness = invert_clipped_mean(model, smooth(y))
    s = model.standard_deviation(brightness)
    beyond = model.black * norm.cdf(-brightness / s) + norm.cdf((brightness - 1) / s)
    counts = outside_flat_areas(y, model.black)
    cut = (model.black & (y <= 0)) | (y >= 1)
    return jnp.mean(counts * cut), jnp.mean(counts * jnp.where(s > 0, beyond, 0))


@jit
def smooth(y: ArrayLike) -> jax.Array:
    """Returns a rough estimate of the brightness without noise: the mean of 5x5 pixels."""
    padded = jnp.pad(y, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    rows, columns = y.shape[:2]
    shifted = (padded[i : i + rows, j : j + columns] for i in range(5) for j in range(5))
    return functools.reduce(operator.add, shifted) / 25
