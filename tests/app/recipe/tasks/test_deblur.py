"""Removing a known blur: the kernel as it is given, and the task that follows from it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dip_jax import damage
from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.errors import UserError
from dip_jax.app.machine.programs import compilations
from dip_jax.app.recipe.tasks.deblur import Deblur, check_kernel, parse_kernel
from dip_jax.noise import NoiseModel
from dip_jax.operators import disk_kernel, gaussian_kernel, motion_kernel

PICTURE = np.zeros((40, 48, 3), np.float32)
PICTURE[8:30, 10:36] = (0.9, 0.5, 0.2)
SKEW = np.array([[0.0, 0.1, 0.0], [0.2, 0.4, 0.0], [0.0, 0.2, 0.1]])


@pytest.fixture
def photo(tmp_path):
    Image.fromarray((255 * PICTURE).astype(np.uint8)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_kernels_by_name_and_by_file(tmp_path):
    np.testing.assert_array_equal(parse_kernel("gaussian:1.6"), gaussian_kernel(1.6))
    np.testing.assert_array_equal(parse_kernel("disk:4"), disk_kernel(4))
    np.testing.assert_array_equal(parse_kernel("motion:15,30"), motion_kernel(15, 30))
    assert check_kernel("box:9", PICTURE).shape == (9, 9)
    Image.fromarray(np.uint8(200 * SKEW)).save(tmp_path / "psf.png")
    found = check_kernel(str(tmp_path / "psf.png"), PICTURE)
    np.testing.assert_allclose(found, SKEW, atol=0.01)
    np.save(tmp_path / "psf.npy", SKEW)
    np.testing.assert_allclose(check_kernel(str(tmp_path / "psf.npy"), PICTURE), SKEW, rtol=1e-6)


def test_a_kernels_sum_becomes_1_and_its_dark_rim_goes():
    rim = np.pad(7 * SKEW, ((3, 3), (5, 3)))
    np.testing.assert_allclose(check_kernel(rim, PICTURE), np.pad(SKEW, ((0, 0), (2, 0))))
    np.testing.assert_allclose(check_kernel(SKEW[..., None], PICTURE), SKEW)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("gauss:1.6", "kernel=gauss:1.6: is neither a file nor a kernel; write gaussian:1.6"),
        ("gaussian", "kernel=gaussian: is neither a file"),
        ("gaussian:a", "kernel=gaussian:a: takes one number behind the colon"),
        ("motion:15", "kernel=motion:15: takes two numbers"),
        ("disk:-1", "kernel=disk:-1: is out of range"),
        ("disk:30", "kernel=disk:30: is 61x61 pixels, larger than the picture .48x40."),
        (np.zeros((3, 3)), "sums to 0; its weights must sum to more than 0"),
        (SKEW - SKEW.mean(), "must sum to more than 0"),
        (SKEW[0], "must be .rows, columns. of weights"),
        (np.zeros((0, 3)), "must be .rows, columns. of weights"),
        (SKEW * np.nan, "holds values that are not finite"),
    ],
)
def test_kernels_that_make_no_sense(kernel, words):
    with pytest.raises(UserError, match=words):
        restore(PICTURE, task="deblur", kernel=kernel)


def test_the_task_is_solved_by_the_sharp_picture_and_asks_nothing_of_the_margin():
    spec = Deblur(balance=0.02)
    kernel = check_kernel(SKEW, PICTURE)
    scene = np.random.default_rng(0).random((52, 60, 3), np.float32)  # beyond the picture too
    blurred = damage.blur(scene, kernel)
    known = np.zeros((52, 60, 1), np.float32)
    known[6:-6, 6:-6] = 1
    y = np.where(known == 1, blurred, 0.7)
    assert spec.margin({"kernel": kernel}) == 1
    for make in (spec.make, spec.compare):
        task = make(jnp.asarray(y), jnp.asarray(known), {"kernel": kernel})
        assert task.loss(jnp.asarray(scene)) < 1e-10
        assert task.loss(jnp.asarray(scene).at[10].add(0.1)) > 1e-6
        far = jnp.asarray(scene).at[:4].add(0.5)
        assert task.loss(far) < 1e-10


def test_the_noise_decides_how_far_frequencies_are_evened_out():
    weak, strong = (Deblur().resolve(NoiseModel("gaussian", level)) for level in (2.0, 10.0))
    assert (weak.balance, strong.balance) == (0.02, pytest.approx(0.2))
    assert Deblur(balance=0.5).resolve(NoiseModel("gaussian", 2.0)).balance == 0.5
    with pytest.raises(UserError, match="balance=0: must be above 0"):
        Deblur(balance=0)


def test_another_kernel_compiles_nothing_and_changes_the_result(tiny_presets):
    options = {"task": "deblur", "steps": 3, "progress": False, "sigma": 2.0}
    first = restore(PICTURE, kernel="disk:4", **options)
    before = compilations("cpu")
    second = restore(PICTURE, kernel="box:9", **options)
    assert compilations("cpu") == before
    assert first.image.shape == PICTURE.shape
    assert np.any(first.image != second.image)
    assert first.preset.stop == "held_out"
    assert first.noise == NoiseModel("gaussian", 2.0)


@pytest.mark.slow
def test_a_demonstration_is_sharper_than_its_blurred_picture(
    photo, tmp_path, small_presets, capsys
):
    out = tmp_path / "out"
    flags = [f"--image={photo}", "--task=deblur", "--blur", "--kernel=box:5", "--steps=400"]
    assert command.main([*flags, f"--out={out}"]) == 0
    text = capsys.readouterr().out
    assert "blurred by box:5, with noise of sigma 2 added" in text
    scores = json.loads((out / "run.json").read_text())["scores"]
    assert scores["restored"]["psnr"] > scores["blurred"]["psnr"] + 1


@pytest.mark.slow
def test_a_folder_takes_one_kernel_and_resumes_with_that_alone(
    photo, tmp_path, tiny_presets, capsys
):
    out = tmp_path / "out"
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / "photos" / f"{name}.png").write_bytes(photo.read_bytes())
    flags = [f"--image={tmp_path / 'photos'}", "--task=deblur", f"--out={out}", "--steps=2"]
    assert command.main([*flags, "--kernel=disk:2"]) == 0
    assert command.main([*flags, "--kernel=disk:2", "--resume"]) == 0
    assert "finished before" in capsys.readouterr().err
    assert command.main([*flags, "--kernel=disk:3", "--resume"]) == 1
    assert "kernel was" in capsys.readouterr().err
    assert command.main(flags) == 2
    assert "--kernel: is needed for --task=deblur" in capsys.readouterr().err


def test_the_kernel_belongs_to_its_task(photo, capsys):
    assert command.main([f"--image={photo}", "--kernel=disk:2", "--task=denoise"]) == 2
    line = "--kernel=disk:2: has no meaning for --task=denoise; it belongs to deblur"
    assert line in capsys.readouterr().err
    assert command.main([f"--image={photo}", "--task=deblur", "--kernel=dsk:2"]) == 2
    assert "--kernel=dsk:2: is neither a file nor a kernel" in capsys.readouterr().err
