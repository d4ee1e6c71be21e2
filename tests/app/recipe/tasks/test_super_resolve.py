"""How the fits of an enlarged picture are combined."""

import json

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.recipe.tasks import SuperResolve
from dip_jax.projection import project_onto_small_picture

RNG = np.random.default_rng(0)
SMALL = (0.3 + 0.4 * RNG.random((10, 12, 3))).astype(np.float32)
TEXTURE = RNG.normal(0, 0.1, (20, 24, 3)).astype(np.float32)
TASK = SuperResolve(factor=2, lanczos_lobes=3)


def project(image):
    return project_onto_small_picture(image, SMALL, 2, 3)


def fits():
    return [TASK.enlarge(SMALL) + TEXTURE, TASK.enlarge(SMALL) - TEXTURE]


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
    task = TASK.replace(keep_known=False)
    one = fits()[0]
    np.testing.assert_allclose(task.combine([one, one], SMALL), one, rtol=1e-6)
    noisy = SMALL + RNG.normal(0, 0.1, SMALL.shape)
    both = fits()
    np.testing.assert_array_equal(task.combine(both, SMALL), task.combine(both, noisy))


@pytest.mark.slow
def test_blocks_of_a_jpeg_are_not_put_back_unless_asked(tiny_presets, tmp_path, capsys):
    results = {}
    for suffix, options in ((".jpg", {"quality": 60}), (".jpg", {"quality": 98}), (".png", {})):
        path = tmp_path / f"p{options.get('quality', '')}{suffix}"
        Image.fromarray(np.round(255 * SMALL).astype(np.uint8)).save(path, **options)
        for flag in ("", "--keep_known"):
            out = tmp_path / f"{path.stem}_{suffix[1:]}{flag}"
            flags = [f"--image={path}", "--task=super_resolve", "--steps=2", f"--out={out}"]
            assert command.main([*flags, *([flag] if flag else [])]) == 0
            settings = json.loads((out / "run.json").read_text())["settings"]
            results[path.name, flag] = settings["task"]["keep_known"]
            told = "was stored with loss (JPEG)" in capsys.readouterr().err
            assert told != results[path.name, flag]
    assert results.pop(("p60.jpg", "")) is False
    assert set(results.values()) == {True}


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
