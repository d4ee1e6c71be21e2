"""Impulses: single pixels that were replaced by black or white."""

import numpy as np

_LEAST = 0.002  # share of the pixels
_MOST = 0.45  # with more, black and white are the picture's own
_NEAR = 0.1  # from black and white, in the image's units
_MANY = 0.05  # share from which clipped noise looks more alike
_FEW_NEAR = (
    0.85,
    0.3,
)  # so many nearly black or white pixels to an impulse; clipped noise has more
_APART = 0.15  # from the median around, in the image's units
# Times as many neighbours of impulses are impulses as chance has it, likewise.
_CLUSTERED = (4.0, 2.0)


def find_impulses(y: np.ndarray) -> np.ndarray | None:
    """Returns where a picture has impulses (salt and pepper, dead pixels); None if it has none.

    A pixel counts if it is pure black or white, alone in its channel or in all, and far from the
    median around it. Impulses are scattered by chance, and hardly any pixel is nearly black or
    white by itself. If such pixels lie together, they are strokes, text or highlights; if many are
    nearly so, it is strong noise that was clipped. Then none counts.

    Args:
      y: float ``[h, w, c]`` in [0, 1].

    Returns:
      bool ``[h, w]``.
    """
    from scipy.ndimage import median_filter

    y = np.asarray(y, np.float32)
    extreme = (y <= 0) | (y >= 1)
    if not _LEAST <= extreme.any(axis=2).mean() <= _MOST or min(y.shape[:2]) < 3:
        return None
    around = median_filter(np.where(extreme, np.float32(0.5), y), size=(5, 5, 1), mode="mirror")
    # In a flat area of black or white nothing can be told: the median of all decides there.
    around = np.where(
        median_filter(extreme.astype(np.uint8), size=(5, 5, 1), mode="mirror") > 0,
        median_filter(y, size=(5, 5, 1), mode="mirror"),
        around,
    )
    apart = np.abs(y - around) > _APART
    found = (extreme & apart).any(axis=2)
    nearly = ((y <= _NEAR) | (y >= 1 - _NEAR)) & ~extreme & apart
    share = found.mean()
    many = int(share > _MANY)
    if share < _LEAST or nearly.any(axis=2).mean() > _FEW_NEAR[many] * share:
        return None
    pairs = [(found[1:], found[:-1]), (found[:, 1:], found[:, :-1])]
    beside = max((one & other).mean() for one, other in pairs)
    # Three standard deviations of chance, for few impulses.
    chance = _CLUSTERED[many] * (share**2 + 1.5 * share / np.sqrt(found.size))
    return found if beside <= chance else None
