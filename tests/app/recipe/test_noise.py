"""The noise as the user gives it, and what it changes."""

import json

import numpy as np
import pytest
from skimage import data

from dip_jax import damage
from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.cli.request import as_flag
from dip_jax.app.errors import UserError
from dip_jax.app.files import write_picture
from dip_jax.app.machine import programs
from dip_jax.app.recipe import TASKS, Denoise, Inpaint, given_noise
from dip_jax.noise import NoiseModel


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("poisson", Denoise(), 25.0, None), "sigma=25.0: has no meaning for poisson noise"),
        (("gaussian", Denoise(), None, 5.0), "gain=5.0: has no meaning for gaussian noise"),
        (("gaussian", Denoise(), 0.0, None), "sigma=0.0: must be from 0.001"),
        (("poisson", Denoise(), None, 256), "gain=256: must be from 0.001 to 255"),
        (("poisson", Inpaint(), None, 5.0), "gain=5.0: has no meaning for inpaint"),
        (("uniform", Denoise(), None, None), "noise=uniform: is unknown; there are auto, gaussian"),
        (("camera", Denoise(), None, 5.0), "gain=5.0: has no meaning for camera noise; give sigma"),
        (("camera", TASKS["deblur"](), None, None), "noise=camera: has no meaning for deblur"),
    ],
)
def test_noise_that_makes_no_sense(arguments, words):
    with pytest.raises(UserError, match=words):
        given_noise(*arguments)
    with pytest.raises(UserError) as caught:
        given_noise(*arguments)
    assert str(as_flag(caught.value)).startswith("--" + words.split("=", maxsplit=1)[0])


def test_given_noise():
    assert given_noise("poisson", Denoise(), None, 5) == NoiseModel("poisson", 5.0)
    assert given_noise("gaussian", Denoise(), np.float32(7), None) == NoiseModel("gaussian", 7.0)
    assert given_noise("gaussian", Inpaint(), None, None) is None
    assert given_noise("auto", Denoise(), 7, None) == NoiseModel("gaussian", 7.0)
    assert given_noise("auto", Denoise(), None, 5) == NoiseModel("poisson", 5.0)
    assert given_noise("auto", Denoise(), None, None) is None
    assert given_noise("camera", Denoise(), 4, None) == NoiseModel("camera", 4.0)
    assert given_noise("camera", Denoise(), None, None) is None


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["r2r", "held_out"])
def test_poisson_noise_end_to_end(stop, tiny_presets, tmp_path, capsys):
    clean = np.full((40, 40, 1), 0.6)
    write_picture(tmp_path / "p.png", clean)
    flags = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", f"--stop={stop}"]
    assert command.main([*flags, "--noise=poisson", "--add_noise", "--gain=9", "--steps=60"]) == 0
    out = capsys.readouterr().out
    assert "with Poisson noise of gain 9 added" in out
    assert "noise: poisson, gain 9.0 of 255 (as given), clipped at white" in out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["picture"]["noise"] == {
        "kind": "poisson",
        "level": 9.0,
        "clipped": True,
    }
    assert record["scores"]["restored"]["psnr"] > record["scores"]["degraded"]["psnr"] + 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "noise: a camera's is assumed, of level 3.5 of 255 (--sigma sets it)"),
        (["--sigma=6"], "noise: a camera's, level 6.0 of 255 (as given)"),
    ],
)
def test_a_cameras_noise_is_removed_where_texture_hides_it(
    flags, words, tiny_presets, tmp_path, capsys
):
    texture = data.immunohistochemistry()[:96, :96].astype(np.float32) / 255
    write_picture(tmp_path / "p.png", texture)
    given = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", "--steps=2"]
    assert command.main([*given, *flags, "--noise=camera"]) == 0
    out = capsys.readouterr().out
    assert words in out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["picture"]["noise"]["kind"] == "measured"
    assert record["settings"]["method"]["noise_share"] == 0.8


def test_a_cameras_noise_is_refused_in_one_line(tiny_presets, tmp_path, capsys):
    write_picture(tmp_path / "p.png", np.full((60, 60, 3), 0.5))
    image = f"--image={tmp_path / 'p.png'}"
    for flags, words in {
        (image, "--sigma=4"): "can't be measured: too few smooth parts",
        (image, "--add_noise"): "can't go with --add_noise; drop one of them",
        (): "needs an --image; name one",
        (image, "--preset=sure"): "may be correlated, which sure does not take; drop it, or use",
        (image, "--preset=paper"): "may be correlated, which plain does not take",
        (image, "--hide=0.5"): "may be correlated, which blind_spot does not take",
        (image, "--gain=3"): "--gain=3.0: has no meaning for camera noise",
    }.items():
        assert command.main([*flags, f"--out={tmp_path / 'out'}", "--noise=camera"]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert "--noise=camera: " in err or "--gain" in err


def test_pictures_without_noise_come_back_from_a_camera_too(tiny_presets):
    flat = np.full((60, 60, 3), 0.5, np.float32)
    result = restore(flat, noise="camera", progress=False)
    assert result.verdict.kind == "none"
    np.testing.assert_array_equal(result.image, flat)


@pytest.mark.slow
def test_impulses_are_filled_in_a_cameras_picture_too(tiny_presets):
    picture = np.full((60, 60, 3), 0.5, np.float32)
    picture += 0.02 * np.random.default_rng(0).standard_normal(picture.shape)
    picture[::7, ::5] = 1.0
    result = restore(picture, noise="camera", steps=2, progress=False)
    assert result.verdict.kind == "impulses"


@pytest.mark.slow
def test_what_is_assumed_does_not_depend_on_the_range(tiny_presets):
    texture = data.immunohistochemistry()[:96, :96].astype(np.float32) / 255
    levels = [
        restore(scale * texture, noise="camera", steps=1, progress=False).noise.level
        for scale in (1.0, 0.1)
    ]
    assert levels == pytest.approx([3.5, 1.1], rel=0.1)  # all of the 1.1 that was measured


@pytest.mark.slow
def test_noise_matters_to_the_fit(tiny_presets):
    y = np.random.default_rng(0).random((20, 20, 1), np.float32)
    options = {"steps": 2, "progress": False}
    images = [
        restore(y, **options, **given).image
        for given in ({"sigma": 20}, {"noise": "poisson", "gain": 9}, {"noise": "poisson"})
    ]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


@pytest.mark.slow
def test_clipped_or_not_a_picture_compiles_nothing(tiny_presets):
    less = {"steps": 2, "progress": False}
    options = less | {"sigma": 40.0}
    for reference in (None, np.full((40, 40, 1), 0.1, np.float32)):
        clipped, whole = (
            damage.add_noise(np.full((40, 40, 1), grey), sigma, seed=0)
            for grey, sigma in ((0.1, 40.0), (0.5, 5.0))
        )
        assert restore(clipped, reference=reference, **options).noise.clipped
        before = programs.compilations("cpu")
        assert not restore(whole, reference=reference, **options).noise.clipped
        restore(whole, noise="poisson", gain=13.0, reference=reference, **less)
        assert programs.compilations("cpu") == before


@pytest.mark.slow
def test_hiding_assumes_no_noise_level(tiny_presets):
    """One that is given is used; an estimate may be of noise of another kind."""
    y = damage.add_noise(np.full((20, 20, 1), 0.5), 30, seed=0)
    options = {"steps": 2, "progress": False, "hide": 0.5}
    assert restore(y, **options).noise is None
    assert restore(y, refine=True, **options).noise is None
    assert restore(y, sigma=30.0, **options).noise.level == 30
