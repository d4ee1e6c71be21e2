"""Windows of a picture: tiles that cover it, windows around its holes, and how they are joined."""

import numpy as np

from dip_jax.operators import Crop

OVERLAP = 32  # pixels that neighbours share at least: some of a network's field of view
_SIDES = (128, 256, 512)  # of windows around holes; a program each
_CONTEXT = 8  # a window's side over the half-width of its widest hole, at least
_MARGIN = 24  # pixels around a hole, at least
_MOST = 0.5  # of the picture, beyond which windows do not pay


def cut_tiles(height: int, width: int, side: int) -> list[Crop]:
    """Returns windows of one size that cover a picture, by rows; the whole picture for ``side`` 0.

    Their sides are ``side``, or the picture's where that is less; so one program serves all.
    """
    if not side:
        return [Crop(0, 0, height, width)]
    tall, wide = min(side, height), min(side, width)
    return [
        Crop(top, left, tall, wide)
        for top in _starts(height, tall)
        for left in _starts(width, wide)
    ]


def cut_picture(height: int, width: int, side: int, exact: np.ndarray | None) -> list[Crop]:
    """Returns what is fitted of a picture: tiles, or windows around its holes, or all of it.

    Args:
      height: of the picture.
      width: of the picture.
      side: of the tiles; 0 for none.
      exact: ``[h, w, 1]``, 1 where pixels stay as they are, so that the rest is enough; None if
        nowhere.
    """
    if exact is None:
        return cut_tiles(height, width, side)
    windows = None if side else surround_holes(exact)
    return windows or [crop for crop in cut_tiles(height, width, side) if not crop(exact).all()]


def _starts(length: int, side: int) -> list[int]:
    """Where windows of ``side`` begin, evenly over ``length``."""
    if side >= length:
        return [0]
    overlap = min(OVERLAP, side // 2)
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def most_detailed(image: np.ndarray, crops: list[Crop]) -> int:
    """Returns the number of the window with the most detail.

    Detail is the mean difference of neighbouring 4x4 blocks, in which noise averages out.
    """
    rows, columns = (length // 4 * 4 for length in image.shape[:2])
    means = image[:rows, :columns].mean(axis=2).reshape(rows // 4, 4, columns // 4, 4)
    means = means.mean(axis=(1, 3))
    detail = [
        sum(
            float(np.abs(np.diff(part, axis=axis)).sum())
            for axis in (0, 1)
            for part in [Crop(*(value // 4 for value in crop))(means)]
        )
        for crop in crops
    ]
    return int(np.argmax(detail))


def surround_holes(known: np.ndarray) -> list[Crop] | None:
    """Returns windows that cover the holes of a picture, each with known pixels around it.

    A long scratch gets several, a wide hole a large one. They have a few sizes only, so that few
    programs serve all; those of one size follow each other.

    Args:
      known: ``[h, w, 1]``, 0 in holes.

    Returns:
      The windows; None where they would hold more than half of the picture, so that a single fit
      of the whole costs less.
    """
    from scipy import ndimage

    hole = np.asarray(known)[:, :, 0] == 0
    labels = np.empty(hole.shape, np.int32)
    ndimage.label(hole, np.ones((3, 3)), output=labels)
    # To the nearest known pixel: at the picture's border there is none.
    reach = np.asarray(ndimage.distance_transform_cdt(hole, "chessboard"))
    inside = np.asarray(ndimage.maximum(reach, labels, np.arange(1, labels.max() + 1)))
    widths = np.concatenate([[0], inside])
    if widths.max() * _CONTEXT > _SIDES[-1]:
        return None
    most = _MOST * hole.size
    crops: list[Crop] = []
    narrower = 0
    for side in _SIDES:
        widest = side // _CONTEXT
        left = ((widths > narrower) & (widths <= widest))[labels]
        margin = max(_MARGIN, 2 * int(widths[widths <= widest].max(initial=0)))
        narrower = widest
        most -= _cover(left, side, margin, most, crops)
        if most < 0:
            return None
    return crops


def _cover(left: np.ndarray, side: int, margin: int, most: float, crops: list[Crop]) -> int:
    """Adds windows to ``crops`` until none of ``left`` is left, or they hold more than ``most``.

    Returns the pixels that they hold.
    """
    height, width = left.shape
    tall, wide = min(side, height), min(side, width)
    # The holes that fit into a window: any along a side that is the picture's own.
    high = tall if tall == height else tall - 2 * margin
    broad = wide if wide == width else wide - 2 * margin
    pixels = 0
    row = 0
    while pixels <= most:
        rows = left[row:].any(axis=1)
        if not rows.any():
            break
        row += int(np.argmax(rows))
        # The first hole of the row, and what else fits into a window with it.
        column = int(np.argmax(left[row : row + high].any(axis=0)))
        part = left[row : row + high, column : column + broad]
        bottom, right = (int(np.flatnonzero(part.any(axis=axis))[-1]) for axis in (1, 0))
        top = _place(row, row + bottom, tall, height)
        start = _place(column, column + right, wide, width)
        # A window reaches no hole at its own border, unless that is the picture's.
        seen = slice(top + margin * (top > 0), top + tall - margin * (top + tall < height))
        across = slice(start + margin * (start > 0), start + wide - margin * (start + wide < width))
        left[seen, across] = False
        crops.append(Crop(top, start, tall, wide))
        pixels += tall * wide
    return pixels


def _place(first: int, last: int, side: int, length: int) -> int:
    """Returns where a window of ``side`` begins that has ``first`` to ``last`` in its middle."""
    return min(max((first + last + 1 - side) // 2, 0), length - side)


def blend(images: list[np.ndarray], crops: list[Crop], background: np.ndarray) -> np.ndarray:
    """Returns the mean of overlapping images, each with less weight the nearer to its border.

    Args:
      images: float ``[h, w, c]`` each.
      crops: their places.
      background: ``[h, w, c]``, what stays where no image lies.
    """
    total = np.zeros(background.shape, np.float32)
    weights = np.zeros((*background.shape[:2], 1), np.float32)
    for image, crop in zip(images, crops, strict=True):
        weight = _ramp(crop.height)[:, None, None] * _ramp(crop.width)[None, :, None]
        crop(total)[:] += weight * image
        crop(weights)[:] += weight
    return np.divide(total, weights, out=background.astype(np.float32), where=weights > 0)


def _ramp(length: int) -> np.ndarray:
    """1 in the middle, falling to both ends over the overlap."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
    return np.minimum(distance / OVERLAP, 1).astype(np.float32)
