"""Tiles, windows around holes, and their blend."""

import itertools

import numpy as np
import pytest

from dip_jax.tiling import OVERLAP, blend, cut_tiles, most_detailed, surround_holes

PICTURE = np.random.default_rng(0).random((70, 150, 3), np.float32)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(70, 150, 64), (64, 64, 64), (65, 1000, 96), (50, 300, 128)]
)
def test_tiles_are_of_one_size_and_overlap(height, width, side):
    crops = cut_tiles(height, width, side)
    assert {(crop.height, crop.width) for crop in crops} == {(min(side, height), min(side, width))}
    seen = np.zeros((height, width), int)
    for crop in crops:
        assert crop(seen).shape == (crop.height, crop.width)  # nothing lies outside
        crop(seen)[:] += 1
    assert seen.min() >= 1
    lefts = sorted({crop.left for crop in crops})
    assert all(b - a <= side - OVERLAP for a, b in itertools.pairwise(lefts))
    assert cut_tiles(height, width, 0) == [(0, 0, height, width)]


def test_blending_is_exact_where_tiles_agree_and_smooth_where_not():
    crops = cut_tiles(70, 150, 64)
    whole = blend([crop(PICTURE) for crop in crops], crops, 0 * PICTURE)
    np.testing.assert_allclose(whole, PICTURE, atol=1e-6)
    steps = [np.full((64, 64, 1), float(crop.left > 0)) for crop in cut_tiles(64, 96, 64)]
    seam = blend(steps, cut_tiles(64, 96, 64), np.zeros((64, 96, 1)))[30, :, 0]
    assert (seam[0], seam[-1]) == (0, 1)
    assert np.diff(seam).max() < 2 / OVERLAP


def test_where_no_tile_lies_the_background_stays_and_is_not_written_to():
    before = PICTURE.copy()
    crop = cut_tiles(70, 150, 64)[0]
    joined = blend([np.zeros((64, 64, 3))], [crop], PICTURE)
    np.testing.assert_array_equal(PICTURE, before)
    np.testing.assert_array_equal(joined[:, 64:], PICTURE[:, 64:])
    assert not crop(joined).any()


def cover(known):
    """Returns how often each pixel lies in a window, at least 24 pixels from its border."""
    seen = np.zeros(known.shape[:2], int)
    for top, left, height, width in surround_holes(known):
        rows = slice(top + 24 * (top > 0), top + height - 24 * (top + height < len(known)))
        right = left + width - 24 * (left + width < known.shape[1])
        seen[rows, left + 24 * (left > 0) : right] += 1
    return seen


def test_windows_cover_scratches_with_known_pixels_around_and_no_more():
    known = np.ones((900, 1200, 1))
    known[np.arange(100, 700), np.arange(200, 800)] = 0  # a long scratch
    known[850:853, 1100:1150] = 0
    known[0, :40] = 0  # at the border
    assert (cover(known)[known[:, :, 0] == 0] >= 1).all()
    windows = surround_holes(known)
    assert {window[2:] for window in windows} == {(128, 128)}
    assert len(windows) <= 12
    assert all(not window(known).all() for window in windows)


def test_a_wide_hole_gets_a_large_window():
    known = np.ones((900, 1200, 1))
    known[100:150, 100:150] = 0
    known[500:503, 500:503] = 0
    small, large = surround_holes(known)
    assert (small.height, large.height) == (128, 256)
    assert (cover(known)[known[:, :, 0] == 0] >= 1).all()


@pytest.mark.parametrize("hole", [np.s_[:200], np.s_[::2, ::2], np.s_[::90, ::90]])
def test_windows_that_would_hold_half_of_the_picture_are_none(hole):
    known = np.ones((400, 600, 1))
    known[hole] = 0
    assert surround_holes(known) is None


def test_the_tile_with_the_most_detail_is_found_beside_noise_and_shading():
    rng = np.random.default_rng(3)
    picture = 0.1 * rng.standard_normal((150, 200, 3)) + np.linspace(0, 1, 200)[:, None]
    crops = cut_tiles(150, 200, 64)
    wanted = crops[5]
    checks = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((8, 8)))
    wanted(picture)[:] += 0.3 * checks[:, :, None]
    assert most_detailed(picture, crops) == 5


@pytest.mark.parametrize(("height", "width"), [(40, 52), (40, 900), (900, 40), (60, 60), (1, 700)])
def test_a_picture_may_be_narrower_than_the_margins_of_a_window(height, width):
    known = np.ones((height, width, 1))
    known[height // 3, width // 3 : width // 3 + 3] = 0
    known[-1, -1] = 0
    windows = surround_holes(known)
    assert (windows is None) == (height * width < 2 * 128 * min(height, width))
    for window in windows or []:
        window(known)[:] = 1
    assert windows is None or known.all()


@pytest.mark.parametrize(("height", "width", "hole"), [(30, 1500, 250), (100, 6000, 1200)])
def test_every_window_has_known_pixels_where_a_hole_spans_the_picture(height, width, hole):
    known = np.ones((height, width, 1))
    known[:, 200 : 200 + hole] = 0
    assert all(window(known).any() for window in surround_holes(known) or [])
    known[5:, 200 : 200 + hole] = 1  # now a strip along the border
    assert surround_holes(known)
