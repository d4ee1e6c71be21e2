"""What the smooth parts of a picture say about its noise: level, correlation, texture."""

from typing import NamedTuple

import numpy as np

SIDE = 12  # pixels of a block: three times the reach of most cameras' noise
_COARSE = 2  # frequencies up to this hold the picture's shading
_SHARES = (0.5, 0.25)  # of the blocks of a class, if they are as smooth as the smoothest
_SMOOTHEST = 0.1  # share that is taken else
_LEAST_CHOSEN = 24
_ALIKE = 1.1  # ratio of energies up to which blocks are as smooth as the smoothest
_NEXT = (0.15, 0.3)  # the blocks after the smoothest, for the plateau
_CLASSES = 6  # of brightness
_LEAST_BLOCKS = 32
_MOST_BLOCKS = 20000
_MEDIAN = 0.4549364231195724  # of a squared standard normal
_TINY = 1e-12
_EVEN = 1.3  # plateau up to which blocks hold noise and little else
_LIGHT = 0.4  # excess, likewise
TEXTURE = 0.6  # excess from which blocks hold more texture than noise
_LEAST_CLASSES = 3  # of brightness, for the spread
_LEAST_EVEN = 2  # even classes needed to ignore the others
_MOST_JUMP = 2.0  # in standard deviation, besides photons': what gamma curves do to cameras' noise
DARK = 0.05  # in brightness: below, black may be cut, and the noise with it
_CUT = (0.02, 0.3, 0.9)  # share of clipped pixels in a block; the next if one leaves too few
_LEAST_WHOLE = 0.35  # of the blocks: fewer may be cells or stars on a black ground
_FINEST = 14  # frequencies used, of 22
_SOFT = 0.7  # frequencies over which the spectrum is smoothed
_RISE = 0.35  # power of the rise towards coarse frequencies: least error over 20 photographs
_MOST_RISE = 3.0


class Spectrum(NamedTuple):
    """What the smooth blocks of a picture say about its noise."""

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
    plateau: float
    """How much more energy the next blocks have than the smoothest. About 1 if there is a floor,
    which is noise; 1.5 and more if blocks get smoother and smoother, as those of textures do. Of
    the classes of brightness, the second best counts."""
    fine: np.ndarray
    """``[k, c]``: the variance that white noise of the power at the finest frequencies has. Texture
    reaches least into these."""
    spread: float
    """Ratio of the largest to the smallest standard deviation of the classes of brightness. Near 1,
    it is noise that is the same everywhere; infinite if there are too few classes."""
    jump: float
    """How much more the standard deviation differs between brightnesses than that of any camera's
    noise. Above 1, some is texture."""
    together: float
    """The rank correlation of the blocks' energies in one half of the frequencies with those in the
    other, in the smoother half of the blocks, at equal brightness. About 0 for noise; 0.5 to 0.9
    where texture is stronger in some blocks than in others, in all its frequencies together."""
    blocks: int
    """How many were measured."""

    @property
    def level(self) -> float:
        """The noise's root mean square, in 8-bit levels."""
        return float(255 * np.sqrt(self.variance.mean()))

    @property
    def fine_level(self) -> float:
        """The level of white noise of the power at the finest frequencies, in 8-bit levels."""
        return float(255 * np.sqrt(self.fine.mean()))

    @property
    def rising(self) -> float:
        """The share of the variance that is proportional to the brightness: 1 for photons alone.

        By a line through the finest variances, each of them known to the same percentage. It is
        above 1 if that line meets 0 above black, and negative if the noise falls with the
        brightness. 0 if there is one class of brightness only.
        """
        return measure_rise(self.brightness, self.fine.mean(axis=1))

    @property
    def correlation(self) -> float:
        """Between neighbours in a row or column."""
        cosine = np.cos(np.pi * np.arange(SIDE) / SIDE)
        power = np.einsum("iiuv,i->uv", self.power, self.variance.mean(axis=0))
        return float((power * (cosine + cosine[:, None])).sum() / (2 * power.sum()))

    @property
    def sharing(self) -> float:
        """The correlation between channels at a pixel, in the mean; 0 for one channel."""
        channels = len(self.power)
        means = self.power.mean(axis=(2, 3))
        return float((means.sum() - channels) / max(channels * (channels - 1), 1))


def measure_spectrum(y: np.ndarray) -> Spectrum | None:
    """Measures the noise of ``y`` in its smooth blocks; None if it has too few.

    Half of the fine frequencies chooses the smoothest blocks, where the other half is measured, and
    the reverse. Noise is independent from half to half, so the choice does not bias it; texture is
    not independent. The median of the squared coefficients is that of noise as long as half of the
    chosen blocks are smooth (the idea of Lebrun, Colom and Morel, The Noise Clinic, 2015).

    Args:
      y: float ``[h, w, c]`` in [0, 1].
    """
    from scipy.fft import dctn

    blocks = _cut_blocks(np.asarray(y, np.float64))
    cut = ((blocks <= 0) | (blocks >= 1)).mean(axis=(1, 2, 3))
    usable = blocks.var(axis=(2, 3)).min(axis=1) > _TINY
    least = max(_LEAST_BLOCKS, _LEAST_WHOLE * (usable & (cut < _CUT[-1])).sum())
    for most in _CUT:
        kept = usable & (cut < most)
        if kept.sum() >= least:
            break
    else:
        return None
    blocks = blocks[kept]
    coefficients = np.asarray(dctn(blocks, axes=(2, 3), norm="ortho"))
    order = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    fine = order > _COARSE
    halves = np.stack([fine & (order % 2 == parity) for parity in (0, 1)])
    energies = _measure_energies(coefficients, halves)
    means = blocks.mean(axis=(1, 2, 3))
    classes = min(_CLASSES, max(1, len(means) // (2 * _LEAST_BLOCKS)))
    found = [
        _Class.from_blocks(coefficients[part], means[part], energies[:, part], halves)
        for part in np.array_split(np.argsort(means), classes)
    ]
    if not any(one.even for one in found):
        found = [one._replace(even=True) for one in found]
    even = [one for one in found if one.even]
    power = _extend(_cross_power(np.concatenate([one.scaled for one in even])), order)
    own = np.einsum("iiuv->i", power) / SIDE**2
    # With what the coarse frequencies add.
    added = own / np.einsum("iiuv,uv->i", power, fine) * fine.sum()
    sizes = [len(one.scaled) for one in even]
    variance = _limit_variance(found, [one.variance for one in found])
    return Spectrum(
        power / np.sqrt(np.multiply.outer(own, own))[:, :, None, None],
        np.array([one.brightness for one in found]),
        variance * added,
        float(np.average([one.excess for one in even], weights=sizes)),
        sorted(one.plateau for one in found)[min(1, len(found) - 1)],
        _limit_variance(found, [one.at(order >= _FINEST) for one in found]),
        _measure_spread(found, variance, len(even)),
        _measure_jump(found, even),
        float(np.median([one.together for one in found])),
        sum(sizes),
    )


def measure_rise(brightness: np.ndarray, variance: np.ndarray) -> float:
    """Returns the share of ``[k]`` variances that is proportional to the brightness.

    By a line through them, by least squares of relative errors; see :attr:`Spectrum.rising`.
    """
    if len(brightness) < 2:
        return 0.0
    terms = np.stack([np.ones_like(brightness), brightness], axis=1) / variance[:, None]
    constant, slope = np.linalg.lstsq(terms, np.ones_like(brightness), rcond=None)[0]
    mean = constant + slope * brightness.mean()
    return float(slope * brightness.mean() / mean) if mean > 0 else 0.0


def _measure_energies(found: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Returns the luma's energy ``[2, n]`` of each block in either half of the frequencies.

    All frequencies count alike: each is divided by its median.
    """
    luma = found.sum(axis=1) ** 2
    luma /= np.maximum(np.median(luma, axis=0), _TINY)
    return np.stack([luma[:, half].mean(axis=1) for half in halves])


class _Class(NamedTuple):
    """The smoothest blocks of similar brightness."""

    brightness: float
    variance: np.ndarray
    """``[c]``: at fine frequencies."""
    scaled: np.ndarray
    """``[n, c, b, b]``: the coefficients over their standard deviation. At each frequency, they
    are of blocks that the other half of the frequencies chose."""
    excess: float
    plateau: float
    together: float
    even: bool
    """Whether they hold noise and little else."""

    def at(self, frequencies: np.ndarray) -> np.ndarray:
        """Returns the variance ``[c]`` of white noise of the power at some frequencies."""
        power = np.median(self.scaled**2, axis=0)[:, frequencies].mean(axis=1) / _MEDIAN
        return np.maximum(self.variance * power, _TINY)  # JPEG may leave nothing there

    @classmethod
    def from_blocks(
        cls, found: np.ndarray, means: np.ndarray, energies: np.ndarray, halves: np.ndarray
    ) -> "_Class":
        ranks = np.argsort(energies, axis=1)

        def energy(first: int, last: int) -> float:
            either = [energies[1 - i, ranks[i, first:last]] for i in (0, 1)]
            return float(np.mean(np.median(either, axis=1)))

        size = len(found)
        count = min(size, max(_LEAST_CHOSEN, round(_SMOOTHEST * size)))
        lowest = max(energy(0, count), _TINY)
        low, high = (round(share * size) for share in _NEXT)
        plateau = energy(low, max(high, low + 1)) / lowest
        for share in _SHARES:
            more = round(share * size)
            if more > count and energy(0, more) <= _ALIKE * lowest:
                count = more
                break
        chosen = np.where(halves[0], found[ranks[1, :count]], found[ranks[0, :count]])
        fine = halves.any(axis=0)
        middle = np.median(chosen**2, axis=0) / _MEDIAN
        variance = np.maximum(middle[:, fine].mean(axis=1), _TINY)
        luma = chosen.sum(axis=1) ** 2
        mean, median = (np.maximum(f(luma, axis=0), _TINY) for f in (np.mean, np.median))
        excess = np.log(_MEDIAN * mean / median)[fine].mean()
        scaled = chosen / np.sqrt(variance)[:, None, None]
        even = plateau <= _EVEN and excess <= _LIGHT
        together = _correlate_energies(energies, ranks, means)
        return cls(
            float(means.mean()), variance, scaled, float(excess), plateau, together, bool(even)
        )


def _correlate_energies(energies: np.ndarray, ranks: np.ndarray, means: np.ndarray) -> float:
    """Returns :attr:`Spectrum.together` of a class, the mean of both choices of smooth blocks.

    A partial correlation: noise that grows with the brightness has more energy in all frequencies.
    """
    found = []
    for chosen in ranks[:, : max(ranks.shape[1] // 2, _LEAST_CHOSEN)]:
        values = np.array([*energies[:, chosen], means[chosen]])
        places = np.argsort(np.argsort(values, axis=1), axis=1)
        both, first, second = np.corrcoef(places)[[0, 0, 1], [1, 2, 2]]
        rest = np.sqrt(max((1 - first**2) * (1 - second**2), _TINY))
        found.append((both - first * second) / rest)
    return float(np.mean(found))


def _limit_variance(found: list[_Class], variances: list[np.ndarray]) -> np.ndarray:
    """Returns the variance ``[k, c]`` of each class.

    Where a class holds texture, its variance is a limit: that of its neighbours counts, if less,
    which grows with the brightness beyond the brightest of them, as that of photons does.
    """
    variance = np.array(variances)
    brightness = np.array([one.brightness for one in found])
    trusted = np.array([one.even for one in found])
    known = brightness[trusted]
    inferred = np.stack(
        [np.interp(brightness, known, channel) for channel in variance[trusted].T], axis=1
    )
    return np.minimum(variance, inferred * np.maximum(brightness / known[-1], 1)[:, None])


def _measure_spread(found: list[_Class], variance: np.ndarray, even: int) -> float:
    """Returns :attr:`Spectrum.spread`, without what is texture if ``even`` classes hold none."""
    if len(found) < _LEAST_CLASSES:
        return np.inf
    if even < _LEAST_EVEN:
        variance = np.array([one.variance for one in found])
    deviation = np.sqrt(variance.mean(axis=1))
    return float(deviation.max() / deviation.min())


def _measure_jump(found: list[_Class], even: list[_Class]) -> float:
    """Returns :attr:`Spectrum.jump`: of photons, the variance grows with the brightness."""
    # Any class is a limit for the noise of the others, unless it is too dark to tell.
    limits = [one for one in found if one.brightness >= DARK] or found
    limit, deviation = (
        np.maximum([np.sqrt(one.variance.mean()) for one in part], 1 / 255)
        for part in (limits, even)
    )
    brightness, place = (
        np.maximum([one.brightness for one in part], DARK) for part in (limits, even)
    )
    photons = np.sqrt(np.maximum(np.divide.outer(place, brightness), 1))
    return float((deviation / (_MOST_JUMP * photons * limit).min(axis=1)).max())


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
    if min(y.shape[:2]) < SIDE:
        return np.empty((0, y.shape[2], SIDE, SIDE))
    step = SIDE // 2
    views = np.lib.stride_tricks.sliding_window_view(y, (SIDE, SIDE), axis=(0, 1))[::step, ::step]
    views = views.reshape(-1, *views.shape[2:])
    return views[:: -(-len(views) // _MOST_BLOCKS)]


def _extend(power: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Smooths a cross-spectrum ``[c, c, b, b]`` and extends it to the coarse frequencies."""
    from scipy.ndimage import gaussian_filter

    fine = order > _COARSE
    weight = gaussian_filter(fine.astype(float), _SOFT, mode="nearest")
    held = gaussian_filter(power * fine, (0, 0, _SOFT, _SOFT), mode="nearest")
    smooth = held / np.maximum(weight, _TINY)
    # It keeps rising, or stays level, as where it can be measured.
    near, far = (
        power[:, :, (order >= low) & (order <= high)].mean(axis=2)
        for low, high in ((_COARSE + 1, _COARSE + 1), (_COARSE + 3, _COARSE + 4))
    )
    rise = np.clip(np.trace(near) / max(np.trace(far), _TINY), 1, _MOST_RISE) ** _RISE
    return np.where(fine, smooth, (rise * near)[:, :, None, None])
