"""Comparison sheets show every panel whole, under a label that can be read."""

import numpy as np
import pytest

from dip_jax.app.files.sheet import comparison


def dark_runs(pixels):
    """How many separate runs of columns, and how wide, hold anything but white."""
    filled = (pixels != 255).any(axis=(0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled, [0]])))
    return list(zip(edges[::2], edges[1::2] - edges[::2], strict=True))


def panel(height, width, channels=3):
    return np.full((height, width, channels), 0.25, np.float32)


def test_small_pictures_are_enlarged_exactly():
    picture = np.arange(64 * 64 * 3).reshape(64, 64, 3) % 200 / 255
    sheet = comparison([("one", picture)])
    enlarged = np.rint(picture * 255).repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(sheet[-8 - 192 : -8, 8 : 8 + 192], enlarged)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 192 + 16


def test_large_pictures_are_not_enlarged():
    sheet = comparison([("one", panel(30, 200, 1)), ("two", panel(30, 200))])
    assert sheet.shape[1:] == (8 + 2 * 208, 3)
    np.testing.assert_array_equal(sheet[-38:-8, 8:208], 64)
    np.testing.assert_array_equal(sheet[-38:-8, 208:216], 255)
    np.testing.assert_array_equal(sheet[-38:-8, 216:416], 64)


@pytest.mark.parametrize("shape", [(50, 64), (49, 63)])
def test_smaller_panels_grow_to_the_largest(shape):
    sheet = comparison([("low", panel(*shape)), ("high", panel(200, 256))])
    (left, first), (_, second) = dark_runs(sheet[-100:-20])
    assert (left, first, second) == (8, 256, 256)


def test_tall_pictures_stay_of_a_sensible_size():
    assert comparison([("thin", panel(2000, 2))]).shape[0] < 2200


@pytest.mark.parametrize("width", [8, 192, 512])
@pytest.mark.parametrize("length", [1, 20, 200])
def test_labels_are_neither_cut_nor_overlapping(width, length):
    label = "M" * length
    alone = comparison([(label, panel(20, width))])
    sheet = comparison(
        [(label, panel(20, width)), ("x", panel(20, width)), (label, panel(20, width))]
    )
    column = (sheet.shape[1] - 8) // 3
    assert alone.shape[1] == column + 8
    factor = -(-192 // width)
    top = sheet.shape[0] - 8 - 20 * factor
    for left in (0, 2 * column):
        np.testing.assert_array_equal(sheet[:top, left : left + column + 4], alone[:top, :-4])
    ink = np.flatnonzero((alone[:top] != 255).any(axis=(0, 2)))
    assert ink[0] >= 8
    assert ink[-1] < column
    assert len(dark_runs(alone[:top])) >= length // 2  # no letter is missing
    assert (alone[0] == 255).all()
    assert (alone[top - 1] == 255).all()


def test_line_breaks_and_empty_labels():
    assert comparison([("a\nb", panel(8, 8)), ("", panel(8, 8))]).shape[1] == 8 + 2 * 200


def test_bad_panels_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        comparison([])
    with pytest.raises(ValueError, match="h, w"):
        comparison([("flat", np.zeros((8, 8)))])
    with pytest.raises(ValueError, match="NaN"):
        comparison([("nan", np.full((8, 8, 1), np.nan))])
