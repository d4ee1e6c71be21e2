"""Paint of one colour, with which people mark damage."""

import numpy as np
from PIL import ImageColor

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import Picture

_TOLERANCE, _LOSSY_TOLERANCE = 16, 48  # 8-bit levels between a paint and its pixels
_PAINTED = 0.001  # of a picture: so much of a pure colour is paint
_PURE = ("red", "lime", "blue", "yellow", "cyan", "magenta")


def parse_color(text: str) -> tuple[int, int, int]:
    """Returns the RGB values that a text such as ``#ff0000`` or ``red`` means.

    Raises:
      UserError: for another text.
    """
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        mend = "write #ff0000 (in quotes), or a CSS name such as red"
        raise UserError("mask_color", text, f"is no colour; {mend}") from error


def color_distances(picture: Picture, color: str) -> np.ndarray:
    """Returns ``[h, w]``: how far from a colour each pixel is, in 8-bit levels.

    Raises:
      UserError: if the picture is neither grey nor RGB.
    """
    channels = picture.image.shape[2]
    if channels not in (1, 3):
        problem = f"needs a grey or RGB picture, and this has {channels} channels; give a --mask"
        raise UserError("--mask_color", color, problem)
    return np.abs(255 * picture.image - np.array(parse_color(color))).max(axis=2)


def usual_tolerance(picture: Picture) -> int:
    """Returns how far from a paint its pixels are at most, in 8-bit levels."""
    return _LOSSY_TOLERANCE if picture.origin.format.lossy else _TOLERANCE


def suggest_paint(picture: Picture) -> str:
    """Returns advice for a picture that has paint of a pure colour on it; else nothing."""
    paint = _find_paint(picture)
    return f"it shows pure {paint}: if that marks the damage, pass --mask_color={paint}" * bool(
        paint
    )


def _find_paint(picture: Picture) -> str | None:
    """Returns the pure colour of which a picture shows most, if it shows any."""
    if picture.image.shape[2] != 3:
        return None
    tolerance = usual_tolerance(picture)
    shares = {name: (color_distances(picture, name) <= tolerance).mean() for name in _PURE}
    most = max(shares, key=lambda name: shares[name])
    return most if shares[most] >= _PAINTED else None
