"""Pictures too large for the memory: restored in overlapping tiles, their seams blended."""

import numpy as np

from dip_jax.app.files.trace import concatenate_traces
from dip_jax.app.restore.result import Restoration
from dip_jax.operators import Crop

OVERLAP = 32  # pixels that neighbours share at least: some of a network's field of view


def cut_tiles(height: int, width: int, side: int) -> list[Crop]:
    """Windows of one size that cover a picture, by rows; the whole picture for ``side`` 0.

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


def _starts(length: int, side: int) -> list[int]:
    """Where windows of ``side`` begin, evenly over ``length``."""
    if side >= length:
        return [0]
    overlap = min(OVERLAP, side // 2)
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def join_tiles(parts: list[Restoration], crops: list[Crop]) -> Restoration:
    """The restorations of tiles as one; ``crops`` are their places in it."""
    if len(parts) == 1:
        return parts[0]
    uncertain = [part.uncertainty for part in parts]
    uncertainty = None
    if all(map is not None for map in uncertain):
        maps = [map[:, :, None] for map in uncertain if map is not None]
        uncertainty = blend(maps, crops)[:, :, 0]
    return parts[0]._replace(
        image=blend([part.image for part in parts], crops),
        raw=blend([part.raw for part in parts], crops),
        trace=concatenate_traces([part.trace for part in parts], "tile"),
        uncertainty=uncertainty,
        members=min(part.members for part in parts),
        compile_seconds=parts[0].compile_seconds,
        fit_seconds=sum(part.compile_seconds + part.fit_seconds for part in parts)
        - parts[0].compile_seconds,
    )


def blend(images: list[np.ndarray], crops: list[Crop]) -> np.ndarray:
    """The mean of overlapping images, each with less weight the nearer to its border.

    Args:
      images: float ``[h, w, c]`` each.
      crops: their places; together they leave no pixel out.
    """
    height = max(crop.top + crop.height for crop in crops)
    width = max(crop.left + crop.width for crop in crops)
    total = np.zeros((height, width, images[0].shape[2]), np.float32)
    weights = np.zeros((height, width, 1), np.float32)
    for image, crop in zip(images, crops, strict=True):
        weight = _ramp(crop.height)[:, None, None] * _ramp(crop.width)[None, :, None]
        crop(total)[:] += weight * image
        crop(weights)[:] += weight
    return total / weights


def _ramp(length: int) -> np.ndarray:
    """1 in the middle, falling to both ends over the overlap."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
    return np.minimum(distance / OVERLAP, 1).astype(np.float32)
