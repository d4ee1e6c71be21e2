"""The noise of a picture: its kind, and its level as given or as estimated."""

import functools
import math
import numbers
import operator
from collections.abc import Sequence
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
_ENOUGH = 3000  # coefficients of a channel, whose median is known to 2 %
_BRIGHTNESSES = 4  # from each of which the smoother half is taken
_FLAT = 1e-6  # a coefficient of no noise, but for rounding
_EDGES = 4.0  # the other directions' power, in that of noise; 1 to 3 in most noisy pictures
_TRIES = 30  # to find the level of clipped noise; up to sigma 100 less than half are needed
_CLOSE = 1e-3  # of the level


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
        return self.at(_smooth(y))

    def at(self, mean: jax.Array | np.ndarray) -> jax.Array:
        """The standard deviation where what is measured has this ``mean``, of any shape."""
        return _deviation(self._law(), self.clipped, mean)

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
def _deviation(law: Law, clipped: bool, mean: jax.Array) -> jax.Array:
    if not clipped:
        return law.deviation(mean)
    brightness = undone(law, mean)
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


@jax.jit
def _smooth(y: jax.Array) -> jax.Array:
    """The brightness without noise, roughly: the mean of 5x5 pixels."""
    padded = jnp.pad(y, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    rows, columns = y.shape[:2]
    shifted = (padded[i : i + rows, j : j + columns] for i in range(5) for j in range(5))
    return functools.reduce(operator.add, shifted) / 25


def estimate_noise(y: np.ndarray, kind: str) -> Noise:
    """The noise of ``y``, of a known kind, its level estimated.

    By the finest wavelet coefficients (Donoho and Johnstone 1994): noise of the right level has
    their median size, each told in deviations at the brightness around it, which are smaller
    where noise was clipped. Of a large picture the smoother half counts, by the coefficients of
    the other directions, with whose noise that of the diagonal ones is not correlated. Flat
    areas do not count: they are mere white or drawn, and tell nothing of the rest. Noise that is
    not independent from pixel to pixel is underestimated, fine texture everywhere counts as
    noise; from sigma 75 on, clipped, the level is found too high.
    """
    if min(y.shape[:2]) < 2:
        return Noise(kind, 0.0)
    mean = np.asarray(_smooth(_smooth(y)))
    channels = [_Finest.of(y[..., i], mean[..., i]) for i in range(y.shape[2])]
    noise = _fitted(Noise(kind, 1.0), channels).seen_to_be_clipped(y)
    return _fitted(noise, channels)._replace(clipped=False) if noise.clipped else noise


class _Finest(NamedTuple):
    """Of a channel's finest wavelet coefficients, each (rows, columns)."""

    size: np.ndarray
    """The absolute value of the diagonal ones."""
    others: np.ndarray
    """The power of the horizontal and vertical ones."""
    mean: np.ndarray
    """Of the picture, around each."""

    @classmethod
    def of(cls, channel: np.ndarray, mean: np.ndarray) -> "_Finest":
        """Those of a channel with the ``mean`` around each of its pixels."""
        bands = pywt.dwtn(channel, "db2")
        there = pywt.dwtn(mean, "db2")["aa"] / 2
        return cls(np.abs(bands["dd"]), bands["ad"] ** 2 + bands["da"] ** 2, there)


def _fitted(noise: Noise, channels: Sequence[_Finest]) -> Noise:
    """The noise with the mean of the levels that fit the channels; 0 if none tells one."""
    levels = [level for one in channels if (level := _level(noise, one)) is not None]
    return noise._replace(level=float(np.mean(levels or [0.0])))


def _level(noise: Noise, channel: _Finest) -> float | None:
    """The level that fits a channel, looked for from that of ``noise``; None of a flat one."""
    counts = channel.size > _FLAT
    if noise.kind == "poisson":
        counts &= channel.mean > 1 / 255
    if not counts.any():
        return None
    kept = counts & _smooth_parts(channel, counts)
    noise = _solved(noise, channel, kept)
    # Of a drawing: where most is flat and the rest is sharp edges, there is no noise to be seen.
    power = channel.others / np.square(noise.at(channel.mean))
    if counts.mean() < 0.5 and np.median(power[kept]) > _EDGES:
        return 0.0
    return float(noise.level)


def _smooth_parts(channel: _Finest, counts: np.ndarray) -> np.ndarray:
    """The smoother half of what counts: of dark and of light parts, whose noise may differ."""
    places = np.flatnonzero(counts)
    roughness = np.asarray(_smooth(_smooth(channel.others[..., None]))).ravel()[places]
    share = max(0.5, min(1.0, _ENOUGH / len(places)))
    kept = np.zeros(counts.size, bool)
    for part in np.array_split(np.argsort(channel.mean.ravel()[places]), _BRIGHTNESSES):
        smoothest = np.argsort(roughness[part])[: math.ceil(share * len(part))]
        kept[places[part[smoothest]]] = True
    return kept.reshape(counts.shape)


def _solved(noise: Noise, channel: _Finest, counts: np.ndarray) -> Noise:
    """The noise with the level in whose deviations the size's median is that of noise."""
    for _ in range(_TRIES):
        sizes = (channel.size / np.asarray(noise.at(channel.mean)))[counts]
        ratio = np.median(sizes) / _MEDIAN_OF_NORMAL
        # The level of Poisson noise is one of variance.
        level = noise.level * ratio ** (2 if noise.kind == "poisson" else 1)
        noise = noise._replace(level=min(float(level), 255.0))
        if not noise.clipped or abs(ratio - 1) < _CLOSE:
            break
    return noise


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
