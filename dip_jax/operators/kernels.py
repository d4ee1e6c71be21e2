"""Point spread functions: ``[k, l]``, with sum 1 and the middle at ``[k // 2, l // 2]``."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from dip_jax.operators.sampling import gaussian_taps

_PLACES = 1000  # samples in a pixel, to measure how much of it a disk covers


def gaussian_kernel(sigma: float) -> np.ndarray:
    """A Gaussian point spread function with a standard deviation of ``sigma`` pixels.

    Returns:
      float64 ``[k, k]`` with sum 1, truncated at 4 sigma: k is 2 ceil(4 sigma) + 1.

    Raises:
      ValueError: unless ``sigma`` is finite and above 0.
    """
    _check_size("sigma", sigma)
    taps = gaussian_taps(2 * math.ceil(4 * sigma) + 1, sigma)
    return np.outer(taps, taps)


def box_kernel(width: float) -> np.ndarray:
    """The mean over a square of ``width`` pixels a side, centred on a pixel.

    Pixels that the square covers in part, as the outermost ones of an even width, get the
    covered share of a whole one's weight.

    Returns:
      float64 ``[k, k]`` with sum 1, k the least odd integer of at least ``width``.

    Raises:
      ValueError: unless ``width`` is finite and above 0.
    """
    _check_size("width", width)
    position = _positions(width / 2)
    taps = np.clip(width / 2 + 0.5 - np.abs(position), 0, min(width, 1.0))
    taps = taps / taps.sum()
    return np.outer(taps, taps)


def disk_kernel(radius: float) -> np.ndarray:
    """A disk of constant brightness with a radius in pixels: a lens out of focus.

    Pixels on the edge get the share of a whole one's weight that the disk covers of them.

    Returns:
      float64 ``[k, k]`` with sum 1, k the least odd integer of at least ``2 * radius``.

    Raises:
      ValueError: unless ``radius`` is finite and above 0.
    """
    _check_size("radius", radius)
    position = _positions(radius)
    # In each column at many places, up to where the disk reaches there, exactly in each row.
    places = (np.arange(_PLACES) + 0.5) / _PLACES - 0.5
    half = np.sqrt(np.maximum(radius**2 - (position[:, None] + places) ** 2, 0))
    top, bottom = position[:, None, None] + 0.5, position[:, None, None] - 0.5
    covered = np.minimum(top, half) - np.maximum(bottom, -half)
    kernel = np.maximum(covered, 0).mean(-1)
    kernel = kernel + kernel.T  # as close along rows as along columns
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """A point that moved along a straight line at constant speed while the shutter was open.

    Each pixel gets the share of the path that lies in it. So 15 pixels at an angle of 0 are
    the mean over 15 pixels of a row.

    Args:
      length: of the path in pixels.
      angle: of the path, in degrees, anticlockwise from the rows: 90 is up and down. Its sign
        matters, its sense does not: 30 and 210 are the same.

    Returns:
      float64 ``[k, l]`` with sum 1, of the least odd sides that hold the path, centred.

    Raises:
      ValueError: unless ``length`` is finite and above 0, and ``angle`` finite.
    """
    _check_size("length", length)
    if not math.isfinite(angle):
        raise ValueError(f"angle={angle!r}: must be finite")
    direction = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    direction[np.abs(direction) < 1e-12] = 0  # of right angles, exactly
    reaches = [len(_positions(length / 2 * abs(part))) // 2 for part in direction]
    # The path, from -1/2 to 1/2 of its length, is cut where it goes from pixel to pixel.
    cuts = [np.array([-0.5, 0.5])]
    for part, most in zip(direction, reaches, strict=True):
        if part:
            cuts.append((np.arange(-most, most) + 0.5) / (part * length))
    cuts = np.unique(np.clip(np.concatenate(cuts), -0.5, 0.5))
    middles = (cuts[1:] + cuts[:-1]) / 2 * length
    rows, columns = (
        np.rint(part * middles).astype(int) + most
        for part, most in zip(direction, reaches, strict=True)
    )
    kernel = np.zeros([2 * most + 1 for most in reaches])
    np.add.at(kernel, (rows, columns), np.diff(cuts))
    kernel = kernel + kernel[::-1, ::-1]  # where it passes through corners, on either side alike
    return kernel / kernel.sum()


def named_kernel(text: str) -> np.ndarray:
    """Returns the kernel ``[k, l]`` that a text such as ``gaussian:1.6`` means.

    The name is one of :data:`KERNELS`; its numbers follow a colon, with commas between.

    >>> named_kernel("box:3").shape
    (3, 3)

    Raises:
      ValueError: for another name, too few or too many numbers, or numbers out of range.
    """
    name, _, rest = text.partition(":")
    if name not in KERNELS:
        raise ValueError(f"is none of {', '.join(KERNELS)}")
    make, count = KERNELS[name]
    wanted = "two numbers" if count > 1 else "one number"
    try:
        numbers = [float(number) for number in rest.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"takes {wanted} behind the colon")
    try:
        return make(*numbers)
    except ValueError as error:
        raise ValueError(f"is out of range ({error})") from error


def _positions(half: float) -> np.ndarray:
    """The pixels around 0 that ``half`` reaches into from there, with 0 in the middle."""
    most = max(0, math.ceil(half - 0.5 - 1e-9))
    return np.arange(-most, most + 1.0)


def _check_size(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r}: must be finite and above 0")


KERNELS: Mapping[str, tuple[Callable[..., np.ndarray], int]] = {
    "gaussian": (gaussian_kernel, 1),
    "disk": (disk_kernel, 1),
    "motion": (motion_kernel, 2),
    "box": (box_kernel, 1),
}
"""Names of kernels, with what makes each and how many numbers that takes."""
