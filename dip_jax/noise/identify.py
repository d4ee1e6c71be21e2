"""The kind of noise in a picture, found from the picture alone."""

from typing import NamedTuple

import numpy as np

from dip_jax.noise.bright import Bright, join_bright, measure_bright
from dip_jax.noise.estimate import estimate_noise
from dip_jax.noise.impulses import find_impulses
from dip_jax.noise.measure import limit_texture, model_noise
from dip_jax.noise.model import NoiseModel
from dip_jax.noise.spectrum import TEXTURE, Spectrum, measure_rise, measure_spectrum

_LEAST = 1.2  # 8-bit levels: less is not worth a restoration's own errors
_FAINT = 2.5  # up to this, only correlated noise, as a camera's, can be told from detail
_CORRELATED = 0.3  # between neighbours; measured 0.1 to 0.2 for white noise on textures
_SOFTER = 0.65  # level at the finest frequencies over that at all; below, it is not white
_SHARED = 0.6  # correlation of channels; 0.7 to 0.9 where JPEG halved the colours' resolution
_TEXTURED = 0.8  # beyond the noise of cameras, of which 0.5 to 0.76 was measured
_VARIES = 1.5  # largest to smallest standard deviation, from which brightness matters
_RISES = 0.6  # share that grows with it; up to 0.52 for white noise, 0.54 to 1.6 for photons
_SOME = 1.15  # ratio of standard deviations without which a share says nothing
_UNCLEAR = 0.25  # excess from which strong noise may be texture
_STRONG = 6.0  # 8-bit levels: so much correlated noise shows in more than a slight excess
_FLOOR = 1.35  # plateau up to which there is a floor of noise
_CAMERA_FLOOR = 1.45  # the same, of weak noise as correlated as a camera's
_JUMP = 1.5  # of the standard deviation, from which it is texture
_SAME = 1.25  # spread of strong noise, up to which it need not have light tails
_ALIKE = 1.4  # largest spread between the parts of a picture that still counts as noise
_APART = 0.5  # largest value that still counts as noise; cameras, microscopes: 0.06 to 0.5
_COLORED = 0.8  # largest sharing that counts as noise, unless JPEG halved the colours
_FINE_GRAIN = 0.46  # least fine level over level of coloured noise; textures have 0.1 to 0.45
_EVERYWHERE = 1.25  # largest spread of grey noise that still counts as noise
_WHITE_ENOUGH = 0.4  # least fine level over level to take unknown noise for white
# Where noise is apart and coloured, texture may add to it: more is allowed.
_LIKELY_APART = 0.45
_LIKELY_TEXTURED = 0.87
_LIKELY_JUMP = 2.0
_NOTHING = 0.3  # 8-bit levels, with which no noise is assumed

_CELL = 32  # pixels a side
_FLAT = 0.1  # share of a cell's pixels that are as all around them, to the bit
_DRAWN = 0.6  # share of such cells, from which a picture is drawn; a bar in a photograph has fewer
_ONE_BIT = 0.98  # share of black and white pixels of a page of one bit


class Verdict(NamedTuple):
    """What a picture's noise is, and why."""

    kind: str
    """"none", "white", "signal-dependent", "correlated", "impulses", "unknown" (too little is
    smooth) or "assumed" (a camera's, on request)."""
    noise: NoiseModel
    """Its model; that of no noise for "none"."""
    evidence: str
    """A phrase with the measured numbers."""
    known: np.ndarray | None = None
    """Of a picture with impulses: float32 ``[h, w, 1]``, 0 at them and 1 elsewhere."""


def identify_noise(y: np.ndarray, hidden: float = 0.0) -> Verdict:
    """Finds the kind of noise of ``y`` and measures it.

    Noise is called white if neighbours and channels hardly share it and it is the same at every
    brightness; its level is then that of :func:`.estimate_noise`. A picture has none if its smooth
    blocks hold less than a level or two, or texture only, or if most of it is flat to the bit, as a
    drawing is. Where texture is possible, no more is taken for noise than the finest frequencies
    allow, and nothing where these have much less than the others.

    Of a picture with impulses (:func:`.find_impulses`), ``noise`` is what the other pixels have.

    Args:
      y: float ``[h, w, c]`` in [0, 1].
      hidden: for a photograph that shows grain though texture hides it: the level, in 8-bit levels,
        up to which a camera's noise is then assumed, as :func:`camera_noise` measures it. 0 assumes
        none. 3.5 suits photographs of high sensitivity.
    """
    impulses = find_impulses(y)
    if impulses is not None:
        rest = _identify_smooth(_without(impulses, y), hidden)
        evidence = f"{100 * impulses.mean():.1f} % of the pixels are black or white by themselves"
        if rest.noise.level < _FAINT:
            rest = rest._replace(noise=NoiseModel("gaussian", 0.0))
        else:
            evidence += f"; the others have noise of level {rest.noise.level:.1f}, removed too"
        return Verdict("impulses", rest.noise, evidence, (~impulses).astype(np.float32)[:, :, None])
    return _identify_smooth(y, hidden)


def camera_noise(y: np.ndarray, level: float) -> NoiseModel:
    """Returns a camera's noise of a level that is known, measured in other respects.

    Its spectrum and its dependence on the brightness are those of the smooth parts of ``y``,
    without what falls more steeply to fine frequencies than any camera's noise.

    Args:
      y: float ``[h, w, c]`` in [0, 1].
      level: its root mean square, in 8-bit levels.

    Raises:
      ValueError: if too little of the picture is smooth.
    """
    found = measure_spectrum(y)
    if found is None:
        raise ValueError("can't be measured: too few smooth parts that are not black or white")
    return _scale(model_noise(limit_texture(found)), level)


def _scale(model: NoiseModel, level: float) -> NoiseModel:
    """Returns measured noise with another level."""
    assert model.deviation is not None
    scale = level / model.level
    return model._replace(
        level=float(level), deviation=np.asarray(scale * model.deviation, np.float32)
    )


def _identify_smooth(y: np.ndarray, hidden: float) -> Verdict:
    """Returns the verdict on a picture without impulses."""
    if _is_drawn(y):
        evidence = "flat to the bit in most places, as drawings and screenshots are"
        return Verdict("none", NoiseModel("gaussian", 0.0), evidence)
    found = measure_spectrum(y)
    if found is None:
        return _guess(y, np.inf, "too few smooth parts to tell")
    verdict = _judge(y, found)
    if not hidden or verdict.kind not in ("none", "unknown") or found.level < _NOTHING:
        return verdict
    model = model_noise(limit_texture(found))
    level = min(hidden, float(model.level))
    if level <= verdict.noise.level:
        return verdict
    return Verdict("assumed", _scale(model, level), verdict.evidence)


def _judge(y: np.ndarray, found: Spectrum) -> Verdict:
    deviation = 255 * np.sqrt(found.variance.mean(axis=1))
    evidence = (
        f"level {deviation.min():.1f} to {deviation.max():.1f} of 255 from dark to bright, "
        f"correlation of neighbours {found.correlation:.2f}"
    )
    camera = 2 * _CORRELATED <= found.correlation <= _most_correlated(found)
    faint = found.level < _FAINT and not camera
    if found.level < _LEAST or faint or found.excess > TEXTURE:
        return Verdict("none", NoiseModel("gaussian", 0.0), evidence)
    if _may_be_texture(found, camera=camera):
        most = float(255 * np.sqrt(found.fine.mean(axis=1).min()))
        if found.fine_level < _WHITE_ENOUGH * found.level:
            most = 0.0  # what the finest frequencies hold is texture as well
        return _guess(y, most, f"texture hides it; {evidence}")
    if _is_correlated(found):
        return Verdict(
            "correlated",
            model_noise(limit_texture(found) if camera and found.level >= _FAINT else found),
            evidence,
        )
    # The last class is of all that is brighter than the others, smooth or not.
    bright = measure_bright(y, float(found.brightness[max(len(found.brightness) - 2, 0)]))
    if _depends_on_brightness(found, bright):
        model = model_noise(found, correlated=False, bright=bright)
        return Verdict("signal-dependent", model, evidence)
    return Verdict("white", estimate_noise(y, "gaussian"), evidence)


def _is_drawn(y: np.ndarray) -> bool:
    """Whether most cells of a picture contain pixels without any noise.

    Of noise of one 8-bit level and more, 3x3 pixels hardly ever have the same values. Black, where
    noise is cut off, does not count, nor does what is white all over, unless there is little else.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    inside = ((y > 0) & (y < 1)).any(axis=2)
    if inside.mean() <= 1 - _ONE_BIT:
        return True
    size = (3, 3, 1)
    white = np.asarray((y >= 1).all(axis=2))
    flat = (minimum_filter(y, size) == maximum_filter(y, size)).all(axis=2) & (inside | white)
    rows, columns = (max(1, side // _CELL) for side in flat.shape)

    def shares(pixels: np.ndarray) -> np.ndarray:
        parts = (np.array_split(row, columns, axis=1) for row in np.array_split(pixels, rows))
        return np.array([part.mean() for row in parts for part in row])

    something = shares(white) < 1
    return bool(np.mean(shares(flat)[something] > _FLAT) >= _DRAWN)


def _is_correlated(found: Spectrum) -> bool:
    """Whether neighbours or channels share much of the noise."""
    soft = found.fine_level <= _SOFTER * found.level
    return (found.correlation >= _CORRELATED and soft) or found.sharing >= _SHARED


def _depends_on_brightness(found: Spectrum, bright: Bright) -> bool:
    """Whether the noise is stronger at some brightnesses than at others.

    A picture may show a narrow range of them, such as a dark one. So the share of the noise that is
    proportional to the brightness counts, and not only the ratio of largest to smallest.
    """
    fine = np.sqrt(found.fine.mean(axis=1))
    ratio = fine.max() / fine.min()
    if ratio > _VARIES or (ratio > _SOME and found.rising > _RISES):
        return True
    # Bright pixels may be textured: they count if they differ much.
    brightness, variance = join_bright(found.brightness, found.fine, bright)
    noise = variance.mean(axis=1)
    rise = measure_rise(brightness, noise)
    return bool(noise.max() / noise.min() > _VARIES**2 and rise > _RISES)


def _is_likely(found: Spectrum) -> bool:
    """Whether there is noise even where texture adds to it.

    It is as correlated as a camera's, blocks with more of its coarse frequencies have no more of
    its fine ones, and each channel has its own.
    """
    correlated = 2 * _CORRELATED <= found.correlation <= _LIKELY_TEXTURED
    return correlated and _is_colored(found) and found.together <= _LIKELY_APART


def _is_colored(found: Spectrum) -> bool:
    """Whether each channel has noise of its own."""
    return len(found.power) > 1 and found.sharing <= _COLORED


def _most_correlated(found: Spectrum) -> float:
    return _LIKELY_TEXTURED if _is_likely(found) else _TEXTURED


def _may_be_texture(found: Spectrum, *, camera: bool) -> bool:
    """Whether what was measured need not be noise. ``camera`` is whether it is like a camera's."""
    if found.jump > (_LIKELY_JUMP if _is_likely(found) else _JUMP):
        return True
    if not _is_correlated(found):
        return False
    strong = found.level > _STRONG
    if strong and found.excess > _UNCLEAR and found.spread > _SAME:
        return True
    several = len(found.power) > 1
    fine = several and found.fine_level > _FINE_GRAIN * found.level
    grainy = found.level < _FAINT or _is_colored(found) or found.together <= _APART or fine
    floor = found.plateau <= (_CAMERA_FLOOR if camera and not strong else _FLOOR)
    if floor and grainy and found.correlation <= _most_correlated(found):
        return False
    if grainy:
        return found.spread > _ALIKE
    return several or found.spread > _EVERYWHERE


def _guess(y: np.ndarray, most: float, evidence: str) -> Verdict:
    """Takes unknown noise for white noise of level ``most`` or less, and faint noise for none."""
    noise = estimate_noise(y, "gaussian")
    noise = noise._replace(level=min(noise.level, most))
    if noise.level < _FAINT:
        return Verdict("none", NoiseModel("gaussian", 0.0), evidence)
    return Verdict("unknown", noise, evidence)


def _without(impulses: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Replaces impulses by the median of the 5x5 pixels around."""
    from scipy.ndimage import median_filter

    return np.where(impulses[:, :, None], median_filter(y, size=(5, 5, 1), mode="mirror"), y)
