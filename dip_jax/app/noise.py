"""The noise of a picture: its kind, and its level as given or as estimated."""

import functools
import numbers
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pywt
from jax.scipy.stats import norm

from dip_jax import clipping
from dip_jax.app.errors import UserError
from dip_jax.app.settings import nearest

# The argument that tells the level of each kind.
LEVELS = {"gaussian": "sigma", "poisson": "gain"}
_LEAST_VARIANCE = 1e-12  # whose root has a gradient
LEAST = 0.001  # a level too small to matter, as one photon too dim to count
_MEDIAN_OF_NORMAL = 0.6744897501960817  # of the absolute value, standard deviation 1


class Noise(NamedTuple):
    """The noise of a picture, independent from value to value."""

    kind: str
    """"gaussian" or "poisson"."""
    level: float | jax.Array
    """Gaussian: the standard deviation sigma. Poisson: the gain, the brightness that one photon
    makes, so that the variance is gain times brightness. In 8-bit levels."""

    clipped: bool = False
    """Whether it was cut off at 1, and Gaussian noise at 0; see :mod:`dip_jax.clipping`."""

    def deviation(self, y: jax.Array) -> jax.Array:
        """The standard deviation of each value of the picture ``y``, in its units."""
        return _deviation(self._law(), self.clipped, y)

    def before_clipping(self, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The deviation before it was cut off, and where it was (``clipping.cut_off``).

        Poisson noise is taken for Gaussian there: of photons worth 50 levels and more the first
        count beyond white is up to half a photon off, and white by as much as 10 levels.
        """
        if not self.clipped:
            return self.deviation(y), jnp.zeros_like(y)
        return _before_clipping(self._law(), y)

    def clip_law(self) -> "Law":
        """For :func:`measured` and :func:`undone`; of noise that was not clipped, none."""
        return self._law() if self.clipped else Law(jnp.float32(0), jnp.float32(0), jnp.array(True))

    def seen_to_be_clipped(self, y: np.ndarray) -> "Noise":
        """The same noise, ``clipped`` if the picture ``y`` has as many values of 0 and 1 as then.

        Half as many are enough, as the brightness is known but roughly. Noise that is smaller
        where the picture is dark, as a camera's is, leaves none; black borders do not count.
        """
        if not self.level:
            return self
        cut, beyond = _shares_beyond(self._law(), y)
        return self._replace(clipped=bool(cut > 0.5 * beyond))

    def _law(self) -> "Law":
        level, nothing = jnp.float32(self.level / 255), jnp.float32(0)
        if self.kind == "poisson":
            return Law(nothing, level, jnp.array(False))
        return Law(level, nothing, jnp.array(True))


class Law(NamedTuple):
    """The noise before it was cut off: all numbers, so that all kinds share a program."""

    constant: jax.Array
    """Its deviation where that is the same everywhere."""
    gain: jax.Array
    """Its variance is this times the brightness, otherwise."""
    black: jax.Array
    """Whether it goes below 0, and was cut off there too."""

    def deviation(self, brightness: jax.Array) -> jax.Array:
        """That of each value of an image without noise."""
        variance = self.constant**2 + self.gain * jnp.maximum(brightness, 0)
        return jnp.sqrt(jnp.maximum(variance, _LEAST_VARIANCE))


def measured(law: Law, image: jax.Array) -> jax.Array:
    """The mean of what is measured of an image, of any shape."""
    return clipping.clipped_moments(image, law.deviation(image), law.black)[0]


def undone(law: Law, mean: jax.Array) -> jax.Array:
    """The image in [0, 1] of whose measured values that is the mean."""
    return clipping.unclip(mean, law.deviation, law.black)


def lively(y: jax.Array, black: jax.Array | bool = True) -> jax.Array:
    """1 but in areas of at least 5x5 pixels of mere black, or mere white: there is no noise.

    Where Poisson noise is meant, ``black`` is false: few photons leave such areas by rights.
    """
    brightness = _smooth(y)
    flat = (((brightness <= 0) & jnp.asarray(black)) | (brightness >= 1)).astype(y.dtype)
    return (_smooth(flat) == 0).astype(y.dtype)  # not within reach of a flat area's middle


# Each as one program: so many operations by themselves would take seconds to compile.
@functools.partial(jax.jit, static_argnums=1)
def _deviation(law: Law, clipped: bool, y: jax.Array) -> jax.Array:
    smooth = _smooth(y)
    if not clipped:
        return law.deviation(smooth)
    brightness = undone(law, smooth)
    return clipping.clipped_moments(brightness, law.deviation(brightness), law.black)[1]


@jax.jit
def _before_clipping(law: Law, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    brightness = undone(law, _smooth(y))
    deviation = law.deviation(brightness)
    return deviation, clipping.cut_off(y, brightness, deviation, law.black)


@jax.jit
def _shares_beyond(law: Law, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The shares of values at 0 or 1, and of those that the noise would have taken beyond."""
    brightness = undone(law, _smooth(y))
    s = law.deviation(brightness)
    beyond = law.black * norm.cdf(-brightness / s) + norm.cdf((brightness - 1) / s)
    counts = lively(y, law.black)
    cut = (law.black & (y <= 0)) | (y >= 1)
    return jnp.mean(counts * cut), jnp.mean(counts * jnp.where(s > 0, beyond, 0))


def _smooth(y: jax.Array) -> jax.Array:
    """The brightness without noise, roughly: the mean of 5x5 pixels."""
    padded = jnp.pad(y, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    rows, columns = y.shape[:2]
    return sum(padded[i : i + rows, j : j + columns] for i in range(5) for j in range(5)) / 25


def estimate_noise(y: np.ndarray, kind: str) -> Noise:
    """The noise of ``y``, of a known kind, its level estimated.

    By the finest wavelet coefficients (Donoho and Johnstone 1994), whose median tells the
    noise's size where the picture is smooth: noise that is not independent from pixel to
    pixel is underestimated, fine texture counts as noise. For Gaussian noise the same as
    scikit-image's ``estimate_sigma``, whose import alone takes a second; for Poisson noise
    each coefficient is first divided by the root of the brightness around it.
    """
    if min(y.shape[:2]) < 2:
        return Noise(kind, 0.0)
    sizes = []
    for channel in np.moveaxis(y, 2, 0):
        bands = pywt.dwtn(channel, "db2")
        size = np.abs(bands["dd"])
        if kind == "poisson":
            brightness = np.abs(bands["aa"]) / 2
            bright = brightness > 1 / 255
            size = size[bright] / np.sqrt(brightness[bright])
        # Exact zeros are no noise but flat areas, clipped ones for instance.
        sizes.append(size[size != 0])
    levels = [np.median(size) / _MEDIAN_OF_NORMAL if size.size else 0.0 for size in sizes]
    if kind == "poisson":
        return Noise(kind, 255 * float(np.mean(np.square(levels))))
    return Noise(kind, 255 * float(np.mean(levels)))


def given_noise(
    kind: str, task: str, sigma: float | None, gain: float | None, prefix: str = ""
) -> Noise | None:
    """The noise as far as its level is given; None if it is not.

    Raises:
      UserError: for a level out of range, or one that belongs to another kind or task.
    """
    if kind not in LEVELS:
        raise UserError(f"{prefix}noise", kind, "is unknown; " + nearest(str(kind), list(LEVELS)))
    found = None
    for name, value in (("sigma", sigma), ("gain", gain)):
        if value is None:
            continue
        if task != "denoise":
            raise UserError(f"{prefix}{name}", value, f"has no meaning for {task}; drop it")
        if not (isinstance(value, numbers.Real) and LEAST <= value <= 255):
            raise UserError(f"{prefix}{name}", value, f"must be from {LEAST} to 255 levels")
        if LEVELS[kind] != name:
            wanted = f"has no meaning for {kind} noise; give {prefix}{LEVELS[kind]}"
            raise UserError(f"{prefix}{name}", value, wanted)
        found = Noise(kind, float(value))
    return found
