"""A sheet that shows pictures side by side, each under its label."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dip_jax.app.files.pictures import shown_channels
from dip_jax.metrics import to_uint8

_GAP = 8  # white pixels around each panel
_MIN_WIDTH = 192  # narrower panels are enlarged, for their labels' sake
_MAX_HEIGHT = 2048  # a tall, thin picture is not enlarged past this
_FONT_SIZES = (12, 40)


def comparison(panels: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """Puts pictures side by side on white, with a label above each.

    Smaller panels (the input of super-resolution) are enlarged to the largest one's
    size, and small sheets as a whole by an integer factor, with nearest neighbour.

    Args:
      panels: (label, picture) pairs; each picture float [h, w, c] in [0, 1]. Of other numbers of
        channels, :func:`.shown_channels` are shown.

    Returns:
      The sheet, uint8 [H, W, 3].

    Raises:
      ValueError: if there are no panels, or a picture has another shape or a NaN.
    """
    if not panels:
        raise ValueError("a comparison needs at least one panel")
    labels = [label.replace("\n", " ") for label, _ in panels]
    pictures = [_as_rgb(picture) for _, picture in panels]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    factor = max(1, min(math.ceil(_MIN_WIDTH / width), _MAX_HEIGHT // height))
    width, height = width * factor, height * factor
    pictures = [_fit(picture, width, height) for picture in pictures]

    font = _font(labels, width)
    column = max(width, *(_text_width(font, label) for label in labels))
    top = _GAP + sum(font.getmetrics()) + _GAP // 2
    size = (_GAP + len(panels) * (column + _GAP), top + height + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, (label, picture) in enumerate(zip(labels, pictures, strict=True)):
        left = _GAP + i * (column + _GAP)
        draw.text((left, _GAP), label, fill="black", font=font)
        sheet.paste(picture, (left, top))
    return np.array(sheet)


def _as_rgb(picture: np.ndarray) -> Image.Image:
    if picture.ndim != 3 or 0 in picture.shape:
        raise ValueError(f"expected a picture [h, w, c], got {picture.shape}")
    pixels = to_uint8(shown_channels(picture))
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))


def _fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Enlarges a picture to fill width x height as far as its proportions allow."""
    scale = min(width / picture.width, height / picture.height)
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.NEAREST)


def _font(labels: list[str], width: int) -> ImageFont.FreeTypeFont:
    """The largest font in which every label fits the width, or the smallest one."""
    smallest, largest = _FONT_SIZES
    for size in range(min(largest, max(16, width // 16)), smallest, -1):
        font = _load_font(size)
        if all(_text_width(font, label) <= width for label in labels):
            return font
    return _load_font(smallest)


def _load_font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont), "this Pillow lacks FreeType"
    return font


def _text_width(font: ImageFont.FreeTypeFont, text: str) -> int:
    return math.ceil(font.getbbox(text)[2])
