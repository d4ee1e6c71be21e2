"""The notebook call; what it shares with the command is tested there."""

import numpy as np
import pytest
from skimage import data

from dip_jax import operators
from dip_jax.app import restore
from dip_jax.app.machine.programs import compilations
from dip_jax.app.recipe import BlindSpot
from tests.app.restore.common import PICTURE


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


@pytest.mark.slow
def test_a_second_picture_compiles_nothing():
    options = {"steps": 3, "progress": False, "reference": PICTURE}
    first = restore(PICTURE, **options)
    size = compilations("cpu")
    second = restore(PICTURE[::-1], seed=1, chunk_steps=2, **options)
    assert compilations("cpu") == size
    assert np.any(first.image != second.image)
    restore(PICTURE, **{**options, "steps": 5})
    assert compilations("cpu") == size
    again = restore(PICTURE, chunk_steps=1, **options)
    np.testing.assert_array_equal(first.image, again.image)


@pytest.mark.slow
def test_the_reference_changes_nothing_but_the_report():
    plain = restore(PICTURE, steps=4, progress=False)
    scored = restore(PICTURE, steps=4, progress=False, reference=1 - PICTURE)
    np.testing.assert_allclose(plain.image, scored.image, atol=1e-6)
    assert scored.trace.keys() - plain.trace.keys() == {"psnr", "average_psnr"}


@pytest.mark.slow
def test_the_bar_says_what_is_being_done(capfd):
    grey = PICTURE[..., 0]  # the program of the test below
    restore(grey, task="reconstruct", steps=2)
    shown = capfd.readouterr().err
    assert 0 <= shown.find("compiling") < shown.find("restoring") < shown.find("finishing")
    assert shown.rstrip(" \r\n").endswith("finishing")  # and is wiped out in the end
    restore(grey, task="reconstruct", steps=2, progress=False)
    assert not capfd.readouterr().err


@pytest.mark.slow
def test_uint8_grey_and_rank_two():
    grey = (255 * PICTURE[..., 0]).astype(np.uint8)
    result = restore(grey, task="reconstruct", steps=2, progress=False)
    assert result.image.shape == (9, 13, 1)
    assert result.image.dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "channels"),
    [
        ({"task": "denoise"}, 31),
        ({"task": "inpaint"}, 2),
        ({"task": "super_resolve", "factor": 2}, 5),
    ],
)
def test_any_number_of_channels(tiny_presets, task, channels):
    y = np.random.default_rng(0).random((32, 35, channels), np.float32)
    arrays = {"mask": np.eye(32, 35) == 0} if task["task"] == "inpaint" else {}
    result = restore(y, steps=2, progress=False, **task, **arrays)
    factor = task.get("factor", 1)
    assert result.image.shape == (32 * factor, 35 * factor, channels)
    if arrays:
        np.testing.assert_array_equal(result.image[arrays["mask"]], y[arrays["mask"]])


def test_a_black_picture_comes_back(tiny_presets):
    result = restore(np.zeros((9, 13, 3), np.float32), steps=3, progress=False)
    assert result.noise.level == 0
    assert np.isfinite(result.image).all()


@pytest.mark.slow
def test_another_weight_of_tv_compiles_nothing():
    options = {"task": "reconstruct", "steps": 2, "progress": False}
    first = restore(PICTURE, tv=0.1, **options)
    size = compilations("cpu")
    second = restore(PICTURE, tv=0.2, **options)
    assert compilations("cpu") == size
    assert second.trace["loss"][0] > first.trace["loss"][0]


@pytest.mark.slow
def test_another_loss_runs():
    result = restore(PICTURE, sigma=25.0, steps=4, progress=False, extra_noise=0.5)
    assert np.isfinite(result.image).all()
    assert len(set(result.trace["loss"])) == 4


def area(mask):
    mask[10:25, 5:30] = 0


def rows(mask):
    mask[::3] = 0


def columns(mask):
    mask[:, ::3] = 0


def scattered(mask):
    mask[np.random.default_rng(1).random(mask.shape) < 0.5] = 0


def few(mask):
    mask[3::20, 5::17] = 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "hides"), [(area, 0), (rows, 0), (columns, 0), (scattered, 0.2), (few, 0.2)]
)
def test_scattered_pixels_are_learned_from_known_ones(tiny_presets, damage, hides):
    mask = np.ones((64, 64), np.uint8)
    damage(mask)
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    options = {"task": "inpaint", "mask": mask, "steps": 3, "progress": False}
    result = restore(picture, **options)
    assert isinstance(result.preset.method, BlindSpot) == (hides > 0)
    assert getattr(result.preset.method, "input", "noise") == "noise"
    assert getattr(result.preset.method, "hide", 0) == hides
    np.testing.assert_array_equal(result.image[mask == 1], picture[mask == 1])
    # What is missing reaches nothing.
    other = np.where(mask[:, :, None] == 1, picture, np.float32(0.25))
    np.testing.assert_array_equal(restore(other, **options).image, result.image)


@pytest.mark.slow
def test_a_wide_hole_is_filled_from_a_smooth_input_and_anchored(tiny_presets):
    colour = np.array([0.7, 0.3, 0.2], np.float32)
    picture = np.broadcast_to(colour, (64, 64, 3)).copy()
    mask = np.ones((64, 64), np.uint8)
    mask[12:52, 12:52] = 0
    picture[mask == 0] = (0.1, 0.9, 0.9)
    options = {"task": "inpaint", "mask": mask, "steps": 60, "progress": False}
    result = restore(picture, **options)
    assert result.preset.method.input == "meshgrid"
    assert np.abs(result.image - colour).max() < 0.2
    assert not np.array_equal(result.raw, restore(picture, anchor=0.0, **options).raw)
    # Other inputs can still be chosen.
    assert restore(picture, input="noise", **options).preset.method.input == "noise"
    # Nothing is anchored in a thin hole.
    mask[28:] = 1
    thin = restore(picture, **options)
    np.testing.assert_array_equal(thin.raw, restore(picture, anchor=0.0, **options).raw)


@pytest.mark.slow
def test_hiding_can_be_told(tiny_presets):
    mask = np.ones((64, 64), np.uint8)
    scattered(mask)
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    options = {"task": "inpaint", "mask": mask, "steps": 3, "progress": False}
    images = [restore(picture, hide=hide, **options).raw for hide in (0.0, 0.2, 0.5)]
    assert not np.array_equal(images[0], images[2])
    assert not np.array_equal(images[1], images[2])


@pytest.mark.slow
def test_a_scattered_inpainting_begins_from_a_guess(tiny_presets):
    mask = np.ones((64, 64), np.uint8)
    scattered(mask)
    picture = np.tile(np.linspace(0, 0.9, 64, dtype=np.float32)[:, None], (64, 1, 3))
    options = {"task": "inpaint", "mask": mask, "steps": 2, "progress": False}
    errors = [
        np.abs(restore(picture, hide=hide, **options).raw - picture)[mask == 0].mean()
        for hide in (None, 0.0)
    ]
    assert errors[0] < errors[1] / 2


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2, 3])
def test_an_enlarged_picture_agrees_with_the_small_one(factor):
    smooth = 0.3 + 0.4 * np.random.default_rng(0).random((9, 13, 3), np.float32)
    options = {"task": "super_resolve", "factor": factor, "steps": 2, "progress": False}
    options["members"] = 1
    result = restore(smooth, **options)
    shape = (9 * factor, 13 * factor)
    taps = operators.lanczos_taps(factor, result.preset.task.lanczos_lobes)
    rows, columns = (operators.resampling_matrix(size, taps, factor) for size in shape)
    assert result.preset.task.lanczos_lobes == 3
    assert np.abs(operators.resample(result.image, rows, columns) - smooth).max() < 1e-3
    assert np.abs(operators.resample(result.raw, rows, columns) - smooth).max() > 0.05
    alone = restore(smooth, keep_known=False, **options)
    np.testing.assert_array_equal(alone.image, result.raw)
    assert restore(np.round(smooth), **options).image.min() >= 0


@pytest.mark.slow
def test_a_loss_of_few_pixels_is_no_divergence():
    """Each step hides some forty of 400 known pixels, one of which may be predicted badly."""
    picture = np.float32(data.astronaut()[100:164, 200:264] / 255)
    mask = (np.random.default_rng(1).random((64, 64)) > 0.9).astype(float)
    options = {"task": "inpaint", "steps": 100, "progress": False}
    result = restore(picture * mask[..., None], mask=mask, **options)
    assert result.preset.method.hide == 0.2
    assert result.trace["restores"][-1] == 0  # ten, by the loss of single steps
