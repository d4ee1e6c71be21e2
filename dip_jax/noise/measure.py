"""The noise of one picture, as a model: its level at each brightness, its correlation."""

import numpy as np

from dip_jax.noise.bright import Bright, join_bright
from dip_jax.noise.model import NoiseModel
from dip_jax.noise.spectrum import DARK, SIDE, TEXTURE, Spectrum, measure_spectrum

_LEAST_FLAT = 48  # pixels a side, which hold so many
_GRID = 32  # of frequencies, for the filter
_REACH = 10  # pixels of the filter on either side
_NODES = 33  # of the table of standard deviations
_TINY = 1e-12
_DARKEST = 0.05  # of the variance of the darkest class: what is left of it at black, at least
_MIDDLE = (8, 10)  # orders of the frequencies that distinguish cameras' noise from fine texture
_SLOPE = 0.16  # a camera's noise falls about as fast, in standard deviation, from order to order


def model_noise(
    spectrum: Spectrum, *, correlated: bool = True, bright: Bright | None = None
) -> NoiseModel:
    """Returns the noise that a spectrum describes, of kind "measured".

    Args:
      spectrum: of :func:`measure_spectrum`.
      bright: of :func:`.measure_bright`: the noise where no block of the spectrum is as bright.
      correlated: False for noise that is white except for its dependence on the brightness. Its
        level lies between that at all frequencies, which texture may raise, and that at the finest,
        which a slight blur lowers.
    """
    nodes = np.linspace(0, 1, _NODES)
    variance = spectrum.variance
    if not correlated:
        variance = np.sqrt(variance * spectrum.fine)
    darkest = 1.0
    if not correlated and spectrum.rising > 0:
        darkest = max(1 - spectrum.rising, _DARKEST)
    brightness, mean = spectrum.brightness, variance.mean()
    if bright is not None:
        # Where neighbours share a little of the noise, their differences hold less of it.
        least = [
            _extrapolate(bright.brightness, brightness, channel, darkest) for channel in variance.T
        ]
        bright = bright._replace(variance=np.maximum(bright.variance, np.stack(least, axis=1)))
        brightness, variance = join_bright(brightness, variance, bright)
        below = variance[: len(brightness) - len(bright.brightness)].mean()
        mean = (1 - bright.share.sum()) * below + bright.share @ bright.variance.mean(axis=1)
    deviations = [
        np.sqrt(_extrapolate(nodes, brightness, channel, darkest)) for channel in variance.T
    ]
    return NoiseModel(
        "measured",
        float(255 * np.sqrt(mean)),
        deviation=np.stack(deviations, axis=1).astype(np.float32),
        kernel=_make_kernel(spectrum.power) if correlated else None,
    )


def limit_texture(spectrum: Spectrum) -> Spectrum:
    """Returns the spectrum of a camera's noise, without texture that was taken for noise.

    Demosaicing and smoothing leave much the same slope from coarse to fine in the luma of all
    cameras' noise. What is steeper is texture.
    """
    power, channels = spectrum.power, len(spectrum.power)
    root = np.sqrt(spectrum.variance.mean(axis=0))
    # Measured cross-powers may leave nothing of the luma, or less.
    luma = np.maximum(np.einsum("ijuv,i,j->uv", power, root, root), _TINY)
    order = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    first, last = _MIDDLE
    middle = luma[(order >= first) & (order <= last)].mean()
    steps = np.maximum((first + last) / 2 - order, 0)
    most = middle * np.exp(2 * _SLOPE * steps)
    part = np.where(steps > 0, np.sqrt(np.minimum(most / luma, 1)), 1)
    # Scales the luma, and leaves the differences of the channels, all in units of the picture.
    scale = np.eye(channels)[:, :, None, None] + (part - 1) / channels
    scale = scale * (root / root[:, None])[:, :, None, None]
    power = np.einsum("ikuv,kluv,jluv->ijuv", scale, power, scale)
    own = np.maximum(np.einsum("iiuv->i", power) / SIDE**2, _TINY)
    power = power / np.sqrt(np.multiply.outer(own, own))[:, :, None, None]
    return spectrum._replace(power=power, variance=spectrum.variance * own)


def _extrapolate(
    nodes: np.ndarray, brightness: np.ndarray, variance: np.ndarray, darkest: float
) -> np.ndarray:
    """Interpolates the variance; beyond the brightest class, it keeps rising as photons' does.

    From the darkest class to black, it falls in a line to the share ``darkest``.
    """
    rise = (variance[-1] - variance[0]) / max(brightness[-1] - brightness[0], DARK)
    beyond = np.maximum(nodes - brightness[-1], 0)
    places, values = brightness, variance
    if brightness[0] > 0:
        places = np.concatenate([[0.0], brightness])
        values = np.concatenate([[darkest * variance[0]], variance])
    return np.interp(nodes, places, values) + max(rise, 0) * beyond


def measure_noise(flat: np.ndarray) -> NoiseModel:
    """Returns the noise of a flat frame, or of a flat part of a picture.

    Args:
      flat: float ``[h, w, c]`` in [0, 1], at least 48x48 pixels. Slow shading does not matter.

    Raises:
      ValueError: if it is too small, is clipped, holds no noise, or holds texture.
    """
    found = measure_spectrum(flat)
    if found is None:
        height, width = flat.shape[:2]
        if min(height, width) < _LEAST_FLAT:
            side = f"{_LEAST_FLAT}x{_LEAST_FLAT}"
            raise ValueError(f"{width}x{height} pixels are too few; take {side} or more")
        raise ValueError("holds no noise that can be measured: it is black, white or all alike")
    if found.excess > TEXTURE:
        raise ValueError("holds texture; take a flat part, such as a wall or the sky")
    return model_noise(found)


def _make_kernel(power: np.ndarray) -> np.ndarray:
    """Returns the filter ``[k, k, c, c]`` of that power; each channel's output has variance 1."""
    place = np.minimum(np.abs(np.fft.fftfreq(_GRID)) * 2 * SIDE, SIDE - 1)
    below = np.minimum(place.astype(int), SIDE - 2)
    part = place - below
    rows = power[:, :, below] * (1 - part)[:, None] + power[:, :, below + 1] * part[:, None]
    every = rows[..., below] * (1 - part) + rows[..., below + 1] * part
    values, vectors = np.linalg.eigh(np.moveaxis(every, (0, 1), (2, 3)))
    root = np.sqrt(np.maximum(values, 0))[..., None, :]
    root = (vectors * root) @ np.swapaxes(vectors, -1, -2)
    taps = np.fft.fftshift(np.fft.ifft2(root, axes=(0, 1)).real, axes=(0, 1))
    kept = slice(_GRID // 2 - _REACH, _GRID // 2 + _REACH + 1)
    kernel = taps[kept, kept]
    scale = np.sqrt((kernel**2).sum(axis=(0, 1, 3)))
    return (kernel / scale[:, None]).astype(np.float32)
