"""Noise as it is in one picture: its level at each brightness, its correlation, its kind."""

from typing import NamedTuple

import numpy as np

from dip_jax.noise.model import NoiseModel

_SIDE = 12  # pixels of a block: three times the reach of most cameras' noise
_COARSE = 2  # frequencies up to this hold the picture's shading: they choose the smooth blocks
_SMOOTHEST = 0.25  # share of the blocks, of each brightness
_CLASSES = 6  # of brightness
_LEAST_BLOCKS = 32
_LEAST_FLAT = 48  # pixels a side, which hold so many
_MOST_BLOCKS = 20000
_MEDIAN = 0.4549364231195724  # of a squared standard normal
_GRID = 32  # of frequencies, for the filter
_REACH = 10  # pixels of the filter on either side
_NODES = 33  # of the table of deviations
_TINY = 1e-12
_NOISY = 0.15  # excess up to which blocks hold noise and little else
_SPREAD = 0.1
TEXTURE = 0.6  # excess from which blocks hold more texture than noise
_SOFT = 0.7  # frequencies over which the spectrum is smoothed
_RISE = 0.35  # power of the rise towards coarse frequencies: least error over 20 photographs
_MOST_RISE = 3.0


class Spectrum(NamedTuple):
    """What the smooth blocks of a picture say of its noise."""

    power: np.ndarray
    """``[c, c, b, b]``: cross-power of the channels at each frequency of the cosine transform,
    scaled so that each channel's own has the mean 1."""
    brightness: np.ndarray
    """``[k]``, increasing, in [0, 1]."""
    variance: np.ndarray
    """``[k, c]``: of the noise of each channel there, in the picture's units squared."""
    excess: float
    """How much heavier the tails of the coefficients are than those of Gaussian noise: the log of
    mean over median of their squares, less that of noise. About 0 for noise, 1 and more for
    texture."""
    blocks: int
    """How many were measured."""

    @property
    def level(self) -> float:
        """The noise's root mean square, in 8-bit levels."""
        return float(255 * np.sqrt(self.variance.mean()))

    @property
    def correlation(self) -> float:
        """Between neighbours in a row or column."""
        cosine = np.cos(np.pi * np.arange(_SIDE) / _SIDE)
        power = np.einsum("iiuv,i->uv", self.power, self.variance.mean(axis=0))
        return float((power * (cosine + cosine[:, None])).sum() / (2 * power.sum()))


def measure_spectrum(y: np.ndarray) -> Spectrum | None:
    """Measures the noise of ``y`` in its smooth blocks; None if it has too few.

    Blocks are chosen by their coarsest frequencies alone, which says nothing of noise at the
    others. There, the median of the squared coefficients is that of noise as long as half of the
    blocks are smooth (the idea of Lebrun, Colom and Morel, The Noise Clinic, 2015).

    Args:
      y: float ``[h, w, c]`` in [0, 1].
    """
    from scipy.fft import dctn

    blocks = _cut_blocks(np.asarray(y, np.float64))
    cut = ((blocks <= 0) | (blocks >= 1)).mean(axis=(1, 2, 3))
    blocks = blocks[(cut < 0.02) & (blocks.var(axis=(2, 3)).min(axis=1) > _TINY)]
    if len(blocks) < _LEAST_BLOCKS:
        return None
    coefficients = dctn(blocks, axes=(2, 3), norm="ortho")
    order = np.add.outer(np.arange(_SIDE), np.arange(_SIDE))
    fine = order > _COARSE
    luma = coefficients.sum(axis=1)
    shading = (luma[:, (order > 0) & ~fine] ** 2).sum(axis=1)
    means = blocks.mean(axis=(1, 2, 3))
    classes = min(_CLASSES, len(means) // _LEAST_BLOCKS)
    smooth = []
    for part in np.array_split(np.argsort(means), classes):
        kept = part[np.argsort(shading[part])[: max(8, round(_SMOOTHEST * len(part)))]]
        smooth.append(_Class.from_blocks(coefficients[kept], means[kept], fine))
    # Texture in one brightness says nothing of the noise there: its neighbours' noise counts.
    limit = max(_NOISY, min(one.excess for one in smooth) + _SPREAD)
    smooth = [one for one in smooth if one.excess <= limit]
    power = _extend(_cross_power(np.concatenate([one.scaled for one in smooth])), order)
    own = np.einsum("iiuv->i", power) / _SIDE**2
    # With what the coarse frequencies add.
    added = own / np.einsum("iiuv,uv->i", power, fine) * fine.sum()
    sizes = [len(one.scaled) for one in smooth]
    return Spectrum(
        power / np.sqrt(np.multiply.outer(own, own))[:, :, None, None],
        np.array([one.brightness for one in smooth]),
        np.array([one.variance for one in smooth]) * added,
        float(np.average([one.excess for one in smooth], weights=sizes)),
        sum(sizes),
    )


class _Class(NamedTuple):
    """Smooth blocks of similar brightness."""

    brightness: float
    variance: np.ndarray
    """``[c]``: at fine frequencies."""
    scaled: np.ndarray
    """``[n, c, b, b]``: the coefficients over their standard deviation."""
    excess: float

    @classmethod
    def from_blocks(cls, found: np.ndarray, means: np.ndarray, fine: np.ndarray) -> "_Class":
        middle = np.median(found**2, axis=0) / _MEDIAN
        variance = np.maximum(middle[:, fine].mean(axis=1), _TINY)
        luma = found.sum(axis=1) ** 2
        mean, median = (np.maximum(f(luma, axis=0), _TINY) for f in (np.mean, np.median))
        excess = np.log(_MEDIAN * mean / median)[fine].mean()
        scaled = found / np.sqrt(variance)[:, None, None]
        return cls(float(means.mean()), variance, scaled, float(excess))


def _cross_power(found: np.ndarray) -> np.ndarray:
    """Returns robust second moments ``[c, c, b, b]`` of coefficients ``[n, c, b, b]``.

    By medians, of sums and differences of channels.
    """
    channels = found.shape[1]
    power = np.empty((channels, channels, *found.shape[2:]))
    for i in range(channels):
        for j in range(i + 1):
            total, rest = found[:, i] + found[:, j], found[:, i] - found[:, j]
            moment = np.median(total**2, axis=0) - np.median(rest**2, axis=0)
            power[i, j] = power[j, i] = moment / (4 * _MEDIAN)
    return power


def _cut_blocks(y: np.ndarray) -> np.ndarray:
    """Returns blocks ``[n, c, b, b]`` that overlap by half; fewer of a large picture."""
    if min(y.shape[:2]) < _SIDE:
        return np.empty((0, y.shape[2], _SIDE, _SIDE))
    step = _SIDE // 2
    views = np.lib.stride_tricks.sliding_window_view(y, (_SIDE, _SIDE), axis=(0, 1))[::step, ::step]
    views = views.reshape(-1, *views.shape[2:])
    return views[:: -(-len(views) // _MOST_BLOCKS)]


def _extend(power: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Smooths a cross-spectrum ``[c, c, b, b]`` and extends it to the coarse frequencies."""
    from scipy.ndimage import gaussian_filter

    fine = order > _COARSE
    weight = gaussian_filter(fine.astype(float), _SOFT, mode="nearest")
    held = gaussian_filter(power * fine, (0, 0, _SOFT, _SOFT), mode="nearest")
    smooth = held / np.maximum(weight, _TINY)
    # It goes on rising, or staying level, as it does where it can be measured.
    near, far = (
        power[:, :, (order >= low) & (order <= high)].mean(axis=2)
        for low, high in ((_COARSE + 1, _COARSE + 1), (_COARSE + 3, _COARSE + 4))
    )
    rise = np.clip(np.trace(near) / max(np.trace(far), _TINY), 1, _MOST_RISE) ** _RISE
    return np.where(fine, smooth, (rise * near)[:, :, None, None])


def model_noise(spectrum: Spectrum) -> NoiseModel:
    """Returns the noise that a spectrum describes, of kind "measured"."""
    nodes = np.linspace(0, 1, _NODES)
    deviations = [
        np.interp(nodes, spectrum.brightness, np.sqrt(channel)) for channel in spectrum.variance.T
    ]
    return NoiseModel(
        "measured",
        spectrum.level,
        deviation=np.stack(deviations, axis=1).astype(np.float32),
        kernel=_make_kernel(spectrum.power),
    )


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
    place = np.minimum(np.abs(np.fft.fftfreq(_GRID)) * 2 * _SIDE, _SIDE - 1)
    below = np.minimum(place.astype(int), _SIDE - 2)
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
