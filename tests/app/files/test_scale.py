"""Ranges of values: found, taken to [0, 1] and back."""

import numpy as np
import pytest

from dip_jax.app.files.scale import Scale, find_scale

FOUND = {
    "8 bits": (np.array([3, 9], np.uint8), (0, 255)),
    "bits": (np.array([True, False]), (0, 1)),
    "16 bits": (np.array([100, 50000], np.uint16), (0, 65535)),
    "a camera of 12 bits": (np.array([100, 3000], np.uint16), (0, 4095)),
    "few counts": (np.array([0, 40]), (0, 255)),
    "fewer counts": (np.array([0, 20]), (0, 31)),
    "counts on an offset": (np.array([1000, 1010], np.uint16), (999.5, 1010.5)),
    "a mask of integers": (np.array([0, 1]), (0, 1)),
    "signed": (np.array([-100, 100]), (-110, 110)),
    "usual": (np.array([0.2, 0.9]), (0, 1)),
    "overshoot": (np.array([-0.01, 1.02]), (-0.01, 1.02)),
    "0 to 255": (np.array([0.0, 250.0]), (0, 255)),
    "0 to 65535": (np.array([0.0, 65000.0]), (0, 65535)),
    "dark": (np.array([0.0, 0.01]), (0, 0.0105)),
    "flat": (np.array([0.3, 0.3]), (0, 1)),
    "flat and negative": (np.array([-3.0, -3.0]), (-3.5, -2.5)),
    "holes": (np.array([0.1, 0.9, np.nan, np.inf]), (0, 1)),
    "no numbers": (np.array([np.nan]), (0, 1)),
}


@pytest.mark.parametrize("name", FOUND)
def test_ranges_are_found(name):
    values, expected = FOUND[name]
    assert find_scale(values) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint64", "int8", "int64", "float32"])
def test_values_go_to_unit_and_back(kind):
    dtype = np.dtype(kind)
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    low, high = (0, 1) if dtype.kind == "f" else (info.min, info.max)
    scale = Scale(float(low), float(high))
    ends = np.array([low, high], dtype)
    unit = scale.to_unit(ends)
    np.testing.assert_array_equal(unit, [0, 1])
    np.testing.assert_array_equal(scale.from_unit(unit, dtype), ends)
    assert scale.from_unit(np.array([-1.0, 2.0]), dtype).tolist() == ends.tolist()


def test_8_bits_from_another_black():
    values = np.array([20, 120, 220], np.uint8)
    scale = Scale(20, 220)
    np.testing.assert_allclose(scale.to_unit(values), [0, 0.5, 1])
    np.testing.assert_array_equal(scale.from_unit(scale.to_unit(values), values.dtype), values)


def test_large_pictures_are_scaled_in_parts(monkeypatch):
    image = np.random.default_rng(0).random((37, 11, 3), np.float32) * 1.2 - 0.1
    scale, dtype = Scale(0, 65535), np.dtype(np.uint16)
    whole = scale.from_unit(image, dtype)
    monkeypatch.setattr("dip_jax.app.files.scale._AT_ONCE", 100)
    parts = scale.from_unit(image, dtype)
    assert parts.dtype == dtype
    np.testing.assert_array_equal(parts, whole)
