import math

import numpy as np
import pytest

from dip_jax.members import combine, combine_by_agreement

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 5, 6, 3)).astype(np.float32)


def test_mean_and_deviation_are_those_of_the_members():
    result = combine(IMAGES, math.inf)
    assert result.kept.all()
    np.testing.assert_allclose(result.image, IMAGES.mean(0), rtol=1e-5)
    variances = IMAGES.var(0, ddof=1).mean(2)
    np.testing.assert_allclose(result.deviation, variances**0.5, rtol=1e-4)


def test_one_member_is_the_result_and_has_no_deviation():
    result = combine(IMAGES[:1])
    np.testing.assert_array_equal(result.image, IMAGES[0])
    np.testing.assert_array_equal(result.deviation, np.zeros((5, 6)))


def test_outliers_are_left_out():
    images = IMAGES.copy()
    images[2] += 5
    result = combine(images)
    assert result.kept.tolist() == [True, True, False, True]
    np.testing.assert_allclose(result.image, images[[0, 1, 3]].mean(0), rtol=1e-5)
    assert combine(images, math.inf).kept.all()
    # Of two, none can be told to be the odd one out.
    assert combine(images[1:3]).kept.all()


def test_what_is_not_finite_is_left_out():
    images = IMAGES.copy()
    images[1, 2, 3, 0] = np.nan
    images[3, 0, 0, 1] = np.inf
    result = combine(images, math.inf)
    assert result.kept.tolist() == [True, False, True, False]
    np.testing.assert_allclose(result.image, images[[0, 2]].mean(0), rtol=1e-5)
    assert np.isnan(combine(np.full_like(IMAGES, np.nan)).image).all()


def test_detail_on_which_members_agree_is_added_in_full():
    base, detail = IMAGES[0], IMAGES[1] - 0.5
    result = combine_by_agreement(np.stack([base + detail] * 3), base)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, base + detail, rtol=1e-5)


def test_detail_on_which_members_differ_is_left_out():
    base, detail = np.full((40, 40, 3), 0.5), RNG.normal(0, 0.1, (2, 40, 40, 3))
    opposed = combine_by_agreement(np.stack([base + detail[0], base - detail[0]]), base)
    np.testing.assert_array_equal(opposed, base.astype(np.float32))
    independent = combine_by_agreement(base + detail, base) - base
    assert np.abs(independent).mean() < 0.2 * np.abs(detail.mean(axis=0)).mean()


def test_the_weight_is_wieners_and_half_as_much_again():
    # Everywhere the same: the window does not matter.
    details = np.array([1.0, 0.5, -0.25])
    images = np.ones((3, 8, 8, 1)) * details[:, None, None, None]
    pairs = np.mean([1.0 * 0.5, 1.0 * -0.25, 0.5 * -0.25])
    share = pairs / np.mean(details**2)
    expected = 1.5 * 3 * share / (1 + 2 * share) * details.mean()
    result = combine_by_agreement(images, np.zeros((8, 8, 1)))
    np.testing.assert_allclose(result, np.full((8, 8, 1), expected), rtol=1e-5)


def test_agreement_is_measured_around_each_pixel():
    base = np.zeros((20, 80, 1))
    left = np.arange(80)[None, :, None] < 40
    detail = RNG.normal(0, 1, (2, 20, 80, 1))
    images = np.where(left, detail[0], detail)
    result = combine_by_agreement(images, base)
    np.testing.assert_allclose(result[:, :20], images[0, :, :20], atol=1e-4)
    assert np.abs(result[:, 60:]).mean() < 0.3 * np.abs(images.mean(axis=0)[:, 60:]).mean()


def test_members_that_add_nothing_leave_the_base():
    np.testing.assert_array_equal(
        combine_by_agreement(IMAGES[:1].repeat(2, 0), IMAGES[0]), IMAGES[0]
    )


def test_one_member_agrees_with_nobody():
    with pytest.raises(ValueError, match="images=1: agreement takes two members or more"):
        combine_by_agreement(IMAGES[:1], IMAGES[0])
