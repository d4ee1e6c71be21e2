"""The projection of an enlarged picture onto those that give the small one."""

import numpy as np
import pytest

from dip_jax import operators
from dip_jax.projection import project_onto_small_picture


@pytest.mark.parametrize(("factor", "lobes"), [(2, 3), (3, 2), (4, 3)])
def test_an_enlarged_picture_is_projected_onto_those_that_give_the_small_one(factor, lobes):
    taps = operators.lanczos_taps(factor, lobes)
    rows, columns = (operators.resampling_matrix(factor * n, taps, factor) for n in (12, 9))
    random = np.random.default_rng(2)
    truth = random.random((factor * 12, factor * 9, 3), np.float32)
    image = truth + 0.1 * random.normal(size=truth.shape).astype(np.float32)
    y = np.asarray(operators.resample(truth, rows, columns))
    result = project_onto_small_picture(image, y, factor, lobes)
    assert result.dtype == np.float32
    np.testing.assert_allclose(operators.resample(result, rows, columns), y, atol=1e-5)
    # Of the distance to the truth the part that was measured is gone, and the rest stays.
    before, after, moved = (
        np.sum(difference**2) for difference in (image - truth, result - truth, result - image)
    )
    assert before == pytest.approx(after + moved, rel=1e-4)
    assert moved == pytest.approx(before / factor**2, rel=0.2)  # the share of values measured
    noise = 0.01 * random.normal(size=y.shape).astype(np.float32)
    more = project_onto_small_picture(image, y + noise, factor, lobes) - result
    assert 1.0 < np.sqrt(np.mean(more**2) / np.mean(noise**2)) < 1.35


def test_a_long_picture_is_projected_without_large_matrices():
    """100,000 pixels long: full matrices would take 20 GB and more."""
    y = np.random.default_rng(3).random((50_000, 3, 1), np.float32)
    result = project_onto_small_picture(
        np.full((100_000, 6, 1), 0.5, np.float32), y, factor=2, lobes=3
    )
    taps = operators.lanczos_taps(2, 3)
    rows, columns = (operators.resampling_sources(n, len(taps), 2) for n in (100_000, 6))
    small = np.einsum("nthw,t->nhw", result[rows][:, :, columns, 0], taps) @ taps
    np.testing.assert_allclose(small, y[:, :, 0], atol=1e-5)
