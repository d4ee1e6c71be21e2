"""Removing a known blur: the kernel as it is given, and the task that follows from it."""

import functools
import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import dip_jax
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
        (np.zeros((3, 3)), "has weights that cancel each other"),
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


@pytest.mark.slow
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
    flags += ["--stop=none"]
    assert command.main([*flags, f"--out={out}"]) == 0
    text = capsys.readouterr().out
    assert "blurred by box:5, with noise of sigma 2 added" in text
    scores = json.loads((out / "run.json").read_text())["scores"]
    assert scores["restored"]["psnr"] > scores["blurred"]["psnr"] + 1


@pytest.mark.slow
def test_the_result_is_refined(blurred, tiny_presets, monkeypatch):
    quick = functools.partial(dip_jax.refine_measured, rounds=4)
    monkeypatch.setattr(dip_jax, "refine_measured", quick)
    picture, _ = blurred
    options = {"task": "deblur", "kernel": "motion:7,0", "steps": 40, "progress": False}
    alone = restore(picture, **options)
    refined = restore(picture, refine=True, **options)
    np.testing.assert_array_equal(refined.raw, alone.raw)
    again = [damage.blur(x.image, motion_kernel(7, 0)) for x in (alone, refined)]
    errors = [np.sqrt(np.mean((x - picture) ** 2)) for x in again]
    assert errors[1] < errors[0] / 2
    with pytest.raises(UserError, match="refine=2: must be True or False"):
        restore(picture, refine=2, **options)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (np.array([[1.0, -1.0], [1.0, -1.0]]), "has weights that cancel each other"),
        (-np.ones((3, 3)), "has weights that cancel each other"),
        (np.array([[-1.0, 1.001]]), "has weights that cancel each other"),
        (np.ones((3, 3, 3)), "has the shape (3, 3, 3): must be [rows, columns]"),
        (np.array([[1.0, np.nan]]), "holds values that are not finite"),
        (np.ones((3, 3), complex), "must be an array of real numbers"),
        (np.ones(3), "must be [rows, columns] of weights"),
    ],
)
def test_arrays_in_files_are_taken_as_they_are(photo, tmp_path, capsys, kernel, words):
    np.save(tmp_path / "psf.npy", kernel)
    flags = [f"--image={photo}", "--task=deblur", f"--kernel={tmp_path / 'psf.npy'}"]
    assert command.main([*flags, f"--out={tmp_path / 'out'}"]) == 2
    assert words in capsys.readouterr().err
    lobes = np.array([[-0.1, 1.0, -0.1]])
    np.save(tmp_path / "lobes.npy", lobes)
    found = check_kernel(str(tmp_path / "lobes.npy"), np.zeros((9, 9, 1)))
    np.testing.assert_allclose(found, lobes / 0.8)
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"broken\.npy: can't be read"):
        check_kernel(str(tmp_path / "broken.npy"), np.zeros((9, 9, 1)))


@pytest.mark.slow
def test_a_folder_takes_one_kernel_and_resumes_with_that_alone(
    photo, tmp_path, tiny_presets, capsys
):
    out = tmp_path / "out"
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / "photos" / f"{name}.png").write_bytes(photo.read_bytes())
    flags = [f"--image={tmp_path / 'photos'}", "--task=deblur", f"--out={out}", "--steps=2"]
    flags += ["--sigma=2"]
    assert command.main([*flags, "--kernel=disk:4"]) == 0
    assert command.main([*flags, "--kernel=disk:4", "--resume"]) == 0
    assert "finished before" in capsys.readouterr().err
    assert command.main([*flags, "--kernel=disk:5", "--resume"]) == 1
    assert "kernel was" in capsys.readouterr().err
    assert command.main(flags) == 2
    assert "--kernel: is needed for --task=deblur" in capsys.readouterr().err


def test_the_kernel_belongs_to_its_task(photo, capsys):
    assert command.main([f"--image={photo}", "--kernel=disk:2", "--task=denoise"]) == 2
    line = "--kernel=disk:2: has no meaning for --task=denoise; it belongs to deblur"
    assert line in capsys.readouterr().err
    assert command.main([f"--image={photo}", "--task=deblur", "--kernel=dsk:2"]) == 2
    assert "--kernel=dsk:2: is neither a file nor a kernel" in capsys.readouterr().err


@pytest.fixture
def blurred(tmp_path):
    """A picture of rectangles that was moved by 7 pixels, as an array and as a file."""
    rng = np.random.default_rng(0)
    scene = np.full((48, 56, 3), 0.5, np.float32)
    for top, left in rng.integers(0, 40, (20, 2)):
        scene[top : top + 9, left : left + 14] = rng.random(3)
    y = np.round(255 * damage.blur(scene, motion_kernel(7, 0))).astype(np.uint8)
    Image.fromarray(y).save(tmp_path / "blurred.png")
    return y.astype(np.float32) / 255, tmp_path / "blurred.png"


@pytest.mark.slow
def test_an_unknown_kernel_is_found_saved_and_read_back(blurred, tmp_path, tiny_presets, capsys):
    picture, path = blurred
    out, other = tmp_path / "out", tmp_path / "other"
    flags = [f"--image={path}", "--task=deblur", "--steps=2", "--sigma=1"]
    unknown = ["--kernel=unknown", "--kernel_size=7", f"--out={out}"]
    assert command.main([*flags, *unknown]) == 0
    kernel = np.load(out / "kernel.npy")
    assert kernel.sum() == pytest.approx(1)
    assert kernel[len(kernel) // 2].sum() > 0.8  # it lies along the middle row
    shown = np.asarray(Image.open(out / "kernel.png"))
    assert shown.shape == kernel.shape
    assert shown.max() == 255
    assert command.main([*flags, *unknown, "--resume"]) == 0
    assert "finished" in capsys.readouterr().out
    # The kernel saved is the kernel used.
    assert command.main([*flags, f"--kernel={out / 'kernel.npy'}", f"--out={other}"]) == 0
    one, two = (np.asarray(Image.open(each / "restored.png")) for each in (out, other))
    np.testing.assert_allclose(one.astype(int), two, atol=1)
    assert not (other / "kernel.npy").exists()
    # A run into the folder of the kernel that it is given keeps it.
    flags += [f"--kernel={out / 'kernel.npy'}", f"--out={out}", "--overwrite"]
    assert command.main(flags) == 0
    assert (out / "kernel.npy").exists()
    options = {"task": "deblur", "steps": 2, "sigma": 1.0, "progress": False}
    result = restore(picture, kernel="unknown", kernel_size=7, **options)
    np.testing.assert_allclose(result.kernel, kernel, atol=1e-6)
    assert restore(picture, kernel="box:7", **options).kernel is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "unknown"}, "kernel_size=None: is needed|kernel_size: is needed"),
        ({"kernel": "unknown", "kernel_size": 8}, "kernel_size=8: must be odd; take 7"),
        ({"kernel": "unknown", "kernel_size": 1}, "kernel_size=1: must be at least 3"),
        (
            {"kernel": "unknown", "kernel_size": 41},
            "kernel_size=41: must be odd and at most 19, half",
        ),
        ({"kernel": "unknown", "kernel_size": 7.5}, "kernel_size=7.5: must be an integer"),
        ({"kernel": "disk:2", "kernel_size": 7}, "kernel_size=7: is for kernel=unknown"),
        ({"kernel": np.ones((3, 3)), "kernel_size": 7}, "kernel_size=7: is for kernel=unknown"),
        ({"kernel_size": 7}, "kernel_size=7: is for kernel=unknown"),
    ],
)
def test_sizes_of_unknown_kernels_that_make_no_sense(options, words):
    with pytest.raises(UserError, match=words):
        restore(PICTURE, task="deblur", **options)


def test_a_picture_without_contrast_shows_no_blur():
    with pytest.raises(UserError, match="kernel=unknown: can't be found"):
        restore(np.full((40, 48), 0.5), task="deblur", kernel="unknown", kernel_size=5)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--kernel=unknown", "--kernel_size: is needed for an unknown kernel"),
        ("--kernel=unknown --kernel_size=8", "--kernel_size=8: must be odd"),
        ("--kernel=unknown --kernel_size=29", "--kernel_size=29: must be odd and at most 19"),
        ("--kernel=disk:2 --kernel_size=7", "--kernel_size=7: is for kernel=unknown"),
        ("--kernel_size=7", "--kernel_size=7: is for kernel=unknown"),
        ("--kernel=unknown --kernel_size=7 --blur", "--kernel=unknown: can't go with --blur"),
    ],
)
def test_the_command_refuses_them_too(photo, tmp_path, capsys, flags, words):
    out = tmp_path / "out"
    assert command.main([f"--image={photo}", "--task=deblur", f"--out={out}", *flags.split()]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_demonstration_needs_a_known_kernel(capsys):
    assert command.main(["--task=deblur", "--kernel=unknown", "--kernel_size=7"]) == 2
    assert "--kernel=unknown: needs a blurred --image" in capsys.readouterr().err
