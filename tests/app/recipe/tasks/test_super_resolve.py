"""How the fits of an enlarged picture are combined."""

import numpy as np
import pytest

from dip_jax.app import restore
from dip_jax.app.recipe.tasks import SuperResolve
from dip_jax.projection import project_onto_small_picture

RNG = np.random.default_rng(0)
SMALL = (0.3 + 0.4 * RNG.random((10, 12, 3))).astype(np.float32)
TASK = SuperResolve(factor=2, lanczos_lobes=3)


def project(image):
    return project_onto_small_picture(image, SMALL, 2, 3)


def fits(amount=0.1):
    detail = RNG.normal(0, amount, (20, 24, 3)).astype(np.float32)
    return [TASK.enlarge(SMALL) + detail, TASK.enlarge(SMALL) - detail]


def test_detail_on_which_fits_differ_gives_way_to_interpolation():
    result = TASK.combine(fits(), SMALL)
    np.testing.assert_allclose(result, project(TASK.enlarge(SMALL)), atol=1e-5)


def test_detail_on_which_fits_agree_stays():
    one = fits()[0]
    np.testing.assert_allclose(TASK.combine([one, one], SMALL), project(one), atol=1e-5)


def test_one_fit_is_left_as_it_is():
    one = fits()[0]
    np.testing.assert_array_equal(TASK.combine([one], SMALL), one)


def test_noise_of_the_small_picture_is_not_put_back_by_interpolation():
    both = fits()
    result = TASK.replace(keep_known=False).combine(both, SMALL)
    np.testing.assert_allclose(result, np.mean(both, axis=0), rtol=1e-6)


@pytest.mark.slow
def test_members_of_an_enlarged_picture_are_combined(tiny_presets):
    options = {
        "task": "super_resolve",
        "factor": 2,
        "steps": 3,
        "lanczos_lobes": 3,
        "progress": False,
    }
    together = restore(SMALL, members=2, **options)
    singles = [restore(SMALL, members=1, seed=seed, **options).raw for seed in (0, 1)]
    expected = np.clip(project(TASK.combine(singles, SMALL)), 0, 1)
    np.testing.assert_allclose(together.image, expected, atol=1e-6)
    np.testing.assert_allclose(together.raw, np.mean(singles, axis=0), rtol=1e-5)
    assert together.uncertainty.any()
