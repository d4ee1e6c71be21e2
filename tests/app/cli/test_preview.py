"""A part of a picture, restored for a first look."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import restore
from dip_jax.app.cli import picture
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.tasks import Denoise
from dip_jax.damage import add_noise
from dip_jax.noise import identify_noise
from dip_jax.operators import Crop
from tests.app.common import run, unfitted

RNG = np.random.default_rng(0)


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = RNG.integers(0, 255, (300, 400, 4)).astype(np.uint8)
    Image.fromarray(pixels).save("p.png")
    return pixels


@pytest.fixture
def asked(monkeypatch):
    """What the fit was asked for; instead of it, the part itself is returned."""
    asked = {}

    def without_fit(observed, *, preset, part, **options):
        asked.update(options, observed=observed, part=part)
        image = (observed if part is None else part(observed)).copy()
        image = image.repeat(preset.task.factor, 0).repeat(preset.task.factor, 1)
        return unfitted(image, preset)

    monkeypatch.setattr(picture, "restore", without_fit)
    return asked


def stored(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_part_is_written_under_a_name_of_its_own(photo, asked, tmp_path, capsys):
    code, out, _ = run(capsys, "p.png", "--preview=30,20,50,40")
    assert code == 0
    assert "p: 50x40, RGB" in out
    assert "a preview, from 30,20 on; the noise is that of the whole picture" in out
    np.testing.assert_array_equal(stored("p_preview.png"), photo[20:60, 30:80])
    assert asked["observed"].shape == (300, 400, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"p.png", "p_preview.png"}
    assert "exists" in run(capsys, "p.png", "--preview=30,20,50,40")[2]
    assert run(capsys, "p_preview.png", "--preview=0,0,20,20")[0] == 0
    assert stored("p_preview_preview.png").shape == (20, 20, 4)


def test_the_middle(photo, asked, capsys):
    assert run(capsys, "p.png", "--preview=center")[0] == 0
    np.testing.assert_array_equal(stored("p_preview.png"), photo[22:278, 72:328])


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["p.png", "q.png"], "q_preview.png"),
        (["p.png", "q_preview.png"], "q_preview.png"),
        (["p.png", "new/"], "new/p_preview.png"),
        (["--image=p.png"], "p_preview.png"),
        (["--image=p.png", "--out=new"], "new/p_preview.png"),
        (["p.png", "--name={stem}-{task}{suffix}"], "p-denoise_preview.png"),
    ],
)
def test_every_way_to_name_it(argv, name, photo, asked, tmp_path, capsys):
    assert run(capsys, *argv, "--preview=0,0,64,64")[0] == 0
    assert stored(tmp_path / name).shape == (64, 64, 4)


def test_scores_and_sizes_are_of_the_part(photo, asked, capsys):
    Image.fromarray(photo[::2, ::2, :3]).save("small.png")
    Image.fromarray(photo[:, :, :3]).save("truth.png")
    argv = ["small.png", "--task=super_resolve", "--factor=2", "--reference=truth.png"]
    code, out, _ = run(capsys, *argv, "--preview=10,20,30,40")
    assert (code, "dB psnr" in out) == (0, True)
    assert stored("small_preview.png").shape == (80, 60, 3)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ["p.png", "--preview=middle"],
            "--preview=middle: is not a rectangle: write X,Y,",
        ),
        (
            ["p.png", "--preview=1,2,3"],
            "is not a rectangle: write X,Y,WIDTH,HEIGHT in whole",
        ),
        (["p.png", "--preview=390,0,20,20"], "is not inside the picture, which is 400x300"),
        (["p.png", "--preview=0,0,0,5"], "is not inside the picture"),
        ([".", "--preview=center"], "--preview=center: is for one picture; name one"),
        (["--preview=center"], "--preview=center: needs a picture; name one"),
        (["p.png", "--preview=center", "--resume"], "--resume: needs a folder to keep the run in"),
    ],
)
def test_bad_parts_are_one_line(argv, words, photo, tmp_path, capsys):
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


@pytest.mark.parametrize(
    ("part", "words"),
    [("0,0,64,64", "has nothing to fill; take"), ("105,205,5,5", "lies in a hole, with no known")],
)
def test_a_part_without_a_hole_or_without_a_known_pixel(part, words, photo, tmp_path, capsys):
    box = "--mask_box=100,200,30,30"
    code, _, err = run(capsys, "p.png", box, f"--preview={part}", "--task=inpaint")
    assert (code, f"--preview={part}: {words}" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_the_part_of_a_restoration_without_a_hole_is_kept():
    y = RNG.random((64, 64, 3), np.float32)
    mask = np.ones((64, 64), np.float32)
    mask[50, 50] = 0
    options = {"task": "inpaint", "mask": mask, "progress": False}
    kept = restore(y, part=Crop(0, 0, 32, 32), **options)
    np.testing.assert_array_equal(kept.image, y[:32, :32])


def test_a_task_that_needs_the_whole_picture(photo, capsys, monkeypatch):
    monkeypatch.setattr(Denoise, "tiles", False)
    code, _, err = run(capsys, "p.png", "--preview=center")
    assert (code, "--preview=center: can't be done: denoise needs the whole" in err) == (2, True)


@pytest.mark.slow
def test_the_noise_is_that_of_the_whole_picture(tiny_presets):
    """Of which the part, being black, has none to be found."""
    clean = np.full((96, 128, 3), 0.5, np.float32)
    y = add_noise(clean, 20, seed=0)
    y[:48, :48] = 0.0
    truth = RNG.random((96, 128, 3), np.float32)
    options = {"steps": 2, "progress": False, "stop": "none", "reference": truth}
    preview = restore(y, part=Crop(0, 0, 48, 48), **options)
    assert preview.image.shape == (48, 48, 3)
    assert preview.noise.level == identify_noise(y).noise.level > 5
    assert "psnr" in preview.trace


@pytest.mark.slow
def test_impulses_are_found_in_the_whole_picture(tiny_presets):
    noisy = np.full((64, 64, 3), 0.5, np.float32)
    noisy += 0.02 * RNG.standard_normal(noisy.shape).astype(np.float32)
    noisy[RNG.random((64, 64)) < 0.05] = 1.0
    result = restore(noisy, part=Crop(8, 16, 32, 40), steps=2, progress=False)
    assert result.verdict.kind == "impulses"
    assert result.image.shape == (32, 40, 3)
    assert np.abs(result.image - noisy[8:40, 16:56]).max() > 0.3


@pytest.mark.slow
def test_parts_that_cannot_be_restored(tiny_presets):
    y = RNG.random((64, 64, 3), np.float32)
    mask = np.ones((64, 64))
    mask[:20, :20] = 0
    options = {"task": "inpaint", "mask": mask, "steps": 2, "progress": False}
    assert restore(y, part=Crop(0, 0, 30, 30), **options).image.shape == (30, 30, 3)
    with pytest.raises(UserError, match="lies in a hole, with no known pixel"):
        restore(y, part=Crop(4, 4, 16, 16), **options)
    with pytest.raises(UserError, match="must lie in the picture, 64x64"):
        restore(y, part=Crop(40, 0, 32, 32), **options)
