import math

import numpy as np

from dip_jax.members import combine

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
