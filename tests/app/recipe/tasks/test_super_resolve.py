"""How the fits of an enlarged picture are combined."""

import json

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.files import read_picture
from dip_jax.app.recipe import find_preset
from dip_jax.app.recipe.tasks import SuperResolve
from dip_jax.projection import project_onto_small_picture

RNG = np.random.default_rng(0)
SMALL = (0.3 + 0.4 * RNG.random((10, 12, 3))).astype(np.float32)
TEXTURE = RNG.normal(0, 0.1, (20, 24, 3)).astype(np.float32)
TASK = SuperResolve(factor=2, lanczos_lobes=3, keep_known=True)


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


def test_the_preset_fits_twice():
    assert find_preset("fast", "super_resolve").counts.members == 2


def save(path, quality=None):
    options = {} if quality is None else {"quality": quality}
    Image.fromarray(np.round(255 * SMALL).astype(np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "quality", "agrees"),
    [("a.jpg", 60, False), ("a.jpg", 94, False), ("a.jpg", 95, True), ("a.png", None, True)],
)
def test_the_file_says_whether_the_result_must_agree(tmp_path, name, quality, agrees):
    picture = read_picture(save(tmp_path / name, quality))
    suited = {key: value for key, (value, _) in TASK.suit_file(picture).items()}
    assert suited == ({} if agrees else {"keep_known": False})
    assert SuperResolve().resolve(None).keep_known is True
    assert TASK.replace(keep_known=False).resolve(None).keep_known is False


@pytest.mark.slow
def test_blocks_of_a_jpeg_are_not_put_back_unless_asked(tiny_presets, tmp_path, capsys):
    photo = save(tmp_path / "photo.jpg", 60)

    def run(*flags, code=0):
        out = tmp_path / "out"
        task = ("--task=super_resolve", "--factor=2", "--steps=2")
        assert command.main([f"--image={photo}", *task, f"--out={out}", *flags]) == code
        settings = json.loads((out / "run.json").read_text())["settings"]
        return settings["task"]["keep_known"], capsys.readouterr()

    agrees, told = run()
    assert agrees is False
    assert f"note: --image={photo} is a JPEG file, so the result need not agree" in told.err
    assert "finished before" in run("--resume")[1].out
    _, told = run("--resume", "--keep_known", code=2)
    assert "keep_known was None, is True" in told.err
    agrees, told = run("--overwrite", "--keep_known")
    assert agrees is True
    assert "is a JPEG file" not in told.err
    agrees, told = run("--overwrite", "--downsample")  # the small picture is none
    assert agrees is True
    assert "is a JPEG file" not in told.err


@pytest.mark.slow
def test_members_of_an_enlarged_picture_are_combined(tiny_presets):
    options = {"task": "super_resolve", "factor": 2, "steps": 300, "decay_steps": 300}
    options |= {"lanczos_lobes": 3, "progress": False}
    together = restore(SMALL, members=2, **options)
    singles = [restore(SMALL, members=1, seed=seed, **options).raw for seed in (0, 1)]
    expected = np.clip(project(TASK.combine(singles, SMALL)), 0, 1)
    np.testing.assert_allclose(together.image, expected, atol=1e-5)
    mean = np.clip(project(np.mean(singles, axis=0)), 0, 1)
    assert np.abs(together.image - mean).max() > 0.01
    np.testing.assert_allclose(together.raw, np.mean(singles, axis=0), rtol=1e-4, atol=1e-6)
    assert together.uncertainty.any()


@pytest.mark.slow
def test_an_interrupt_while_fits_are_combined_keeps_one(tiny_presets, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SuperResolve, "combine", interrupt)
    options = {"task": "super_resolve", "factor": 2, "steps": 2, "progress": False}
    result = restore(SMALL, **options, members=2)
    assert result.interrupted
    assert result.members == 1
    np.testing.assert_array_equal(result.image, restore(SMALL, **options, members=1).image)
