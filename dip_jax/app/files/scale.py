"""Values of any range as floats in [0, 1], and back."""

from typing import NamedTuple

import numpy as np

from dip_jax.app.errors import UserError

_LEAST_SHARE = 1 / 8  # of a range: values that fill less are in another
_OVERSHOOT = 0.1  # beyond 0 and 1, of pictures that were computed
_AT_ONCE = 2**20  # values that are scaled at once, in float64
_MARGIN = 0.05  # of the values' own range, added at an end that has no natural limit


class Scale(NamedTuple):
    """The values that 0 and 1 stand for."""

    low: float
    high: float

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Returns values as float32 in [0, 1]."""
        if values.dtype in (np.uint8, np.bool_) and self.low == 0:
            return np.asarray(values, np.float32) / np.float32(self.high)
        if self == (0, 1):
            return np.asarray(values, np.float32)
        unit = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return unit.astype(np.float32)

    def from_unit(self, image: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Returns floats in [0, 1] as values of this type, rounded and clipped if integers."""
        image = np.asarray(image)
        if image.size <= _AT_ONCE:
            return self._from_unit(image, dtype)
        parts = np.array_split(image, -(-image.size // _AT_ONCE))
        return np.concatenate([self._from_unit(part, dtype) for part in parts])

    def _from_unit(self, image: np.ndarray, dtype: np.dtype) -> np.ndarray:
        unit = np.clip(np.asarray(image, np.float64), 0, 1)
        values = unit * (self.high - self.low) + self.low
        if dtype.kind == "f":
            return values.astype(dtype)
        if dtype.kind == "b":
            return values >= 0.5
        info = np.iinfo(dtype)
        values = np.clip(np.rint(values), info.min, info.max)
        # The largest float below may lie above the largest integer of 64 bits.
        top = values >= float(info.max)
        return np.where(top, info.max, np.where(top, 0, values).astype(dtype)).astype(dtype)


def parse_range(text: str) -> Scale:
    """Returns the values that a text such as ``0,4095`` makes black and white.

    Raises:
      UserError: for another text, or if black is not below white.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        problem = "is not a range: write LOW,HIGH, such as 0,4095 or -1000,400.5"
        raise UserError("range", text, problem) from error
    if not -np.inf < low < high < np.inf:
        raise UserError("range", text, "must have black first, and white above it")
    return Scale(low, high)


def natural_scale(dtype: np.dtype) -> Scale:
    """Returns the usual scale of pictures of a type."""
    return Scale(0, float(np.iinfo(dtype).max)) if dtype.kind in "iu" else Scale(0, 1)


def find_scale(values: np.ndarray) -> Scale:
    """Returns the range that values are in, judged by their type and their extremes.

    It is the type's own, or a usual one (0 to 1, 0 to 255, 0 to 65535) that they fill by an
    eighth at least; else the bits of a camera that hold them, from 0 on; else their own range.
    NaN and infinities do not count.
    """
    dtype = values.dtype
    if dtype in (np.uint8, np.bool_):
        return natural_scale(dtype)
    known = values[np.isfinite(values)] if dtype.kind == "f" else values
    if not known.size:
        return natural_scale(dtype)
    low, high = float(known.min()), float(known.max())
    usual = [Scale(0, 65535)] if dtype == np.uint16 else [Scale(0, n) for n in (1, 255, 65535)]
    holding = [scale for scale in usual if low >= 0 and high <= scale.high]
    if low == high and holding:
        return holding[0]
    for scale in holding:
        if high - low >= _LEAST_SHARE * scale.high:
            return scale
    near = low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT and high - low >= _LEAST_SHARE
    if dtype.kind == "f" and near:
        return Scale(min(0.0, low), max(1.0, high))
    return _own_scale(low, high, whole=dtype.kind != "f")


def _own_scale(low: float, high: float, *, whole: bool) -> Scale:
    span = high - low
    if span == 0:
        return Scale(low - 0.5, high + 0.5)
    margin = _MARGIN * span
    if low >= 0 and span >= _LEAST_SHARE * high:  # black is 0: noise of photons depends on it
        return Scale(0, 2.0 ** np.ceil(np.log2(high + 1)) - 1 if whole else high + margin)
    return Scale(low - margin, high + margin)
