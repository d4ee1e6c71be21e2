"""Settings resolved and arguments checked, before anything is fitted."""

import numpy as np
import pytest

from dip_jax.app import restore
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import change, find_preset
from dip_jax.app.restore.plan import make_plan
from dip_jax.noise import NoiseModel
from tests.app.restore.common import MASK, PICTURE


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


@pytest.mark.slow
def test_task_follows_from_a_preset_record():
    preset = find_preset("vase")
    result = restore(PICTURE, mask=MASK, preset=preset, steps=2, progress=False)
    np.testing.assert_array_equal(result.image[0], PICTURE[0])
    assert np.any(result.raw[0] != PICTURE[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "denose"}, "task=denose: is unknown; did you mean denoise"),
        ({"task": "inpaint"}, "mask: is needed"),
        ({"mask": MASK}, "mask=given: has no meaning for denoise"),
        ({"task": "inpaint", "mask": MASK + 0.5}, "must hold 0 .fill. and 1"),
        ({"task": "inpaint", "mask": MASK[1:]}, "must be"),
        ({"task": "inpaint", "mask": np.ones((9, 13))}, "nothing is missing"),
        ({"sigma": 25, "task": "reconstruct"}, "sigma=25: has no meaning"),
        ({"factor": 1, "task": "super_resolve"}, "factor=1: must be at least 2"),
        ({"lanczos_lobes": 4, "task": "super_resolve"}, "lanczos_lobes=4: must be 2 or 3"),
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"step": 10}, "step=10: is not a setting; did you mean steps"),
        ({"generator": "unett"}, "did you mean unet"),
        ({"input": "nose"}, "did you mean noise"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"steps": 2.5}, "steps=2.5: must be an integer"),
        ({"tv": -0.1}, "tv=-0.1: must be a number of at least 0"),
        ({"tv": np.nan}, "tv=nan: must be a number"),
        ({"tv": np.inf}, "tv=inf: must be a number"),
        ({"tv": "0.1"}, "tv=0.1: must be a number"),
        ({"sigma": -1}, "sigma=-1: must be from 0.001"),
        ({"sigma": "25"}, "sigma=25: must be from 0.001"),
        ({"reference": PICTURE[1:]}, "the restored picture's shape"),
        ({"preset": find_preset("vase"), "task": "denoise"}, "the preset is for inpaint"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(UserError, match=words):
        restore(PICTURE, progress=False, **arguments)


@pytest.mark.slow
def test_fast_denoising_uses_the_level_that_is_given_or_estimates_it(tiny_presets):
    noisy = np.random.default_rng(0).random((21, 18, 3), np.float32)
    options = {"task": "denoise", "steps": 2, "progress": False}
    given, estimated = restore(noisy, sigma=10, **options), restore(noisy, **options)
    assert given.noise == NoiseModel("gaussian", 10)
    assert estimated.noise.level == pytest.approx(255 / 12**0.5, rel=0.2)  # uniform noise
    assert given.image.shape == noisy.shape
    assert not np.array_equal(given.image, estimated.image)
    assert restore(noisy, **options | {"task": "reconstruct"}).noise is None


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("denoise", {"noise_share": 1.0}),
        ("reconstruct", {"noise_share": 0.5}),
        ("denoise", {"extra_noise": -0.1}),
        ("denoise", {"extra_noise": float("nan")}),
        ("reconstruct", {"extra_noise": 0.5}),
        ("denoise", {"noise_share": 0.2, "extra_noise": 0.5}),
        ("reconstruct", {"hide": 0.5}),
        ("inpaint", {"hide": 1.5}),
        ("denoise", {"hide": 0.01}),
        ("inpaint", {"hide": float("nan")}),
    ],
)
def test_denoisers_out_of_place_are_refused(task, changes):
    name, value = list(changes.items())[-1]
    with pytest.raises(UserError, match=f"{name}={value}"):
        restore(np.zeros((8, 8, 3), np.float32), task=task, **changes)


@pytest.mark.slow
def test_an_input_that_would_not_be_fed_is_refused():
    for changes in ({"input": "meshgrid"}, {"input": "image", "hide": 0.5}):
        with pytest.raises(UserError, match=r"input=\w+: has no meaning"):
            change(find_preset("fast", "denoise"), **changes)
    scattered = (np.random.default_rng(0).random((40, 40)) > 0.5).astype(float)
    picture = np.zeros((40, 40, 1), np.float32)
    options = {"task": "inpaint", "input": "image", "progress": False, "steps": 2}
    with pytest.raises(UserError, match="hide=0"):
        restore(picture, mask=scattered, **options)
    result = restore(picture, mask=scattered, hide=0.0, **options)
    assert result.image.shape == picture.shape
    assert result.preset.method.input == "image"
    assert change(find_preset("vase"), generator="deep_decoder").method.input == "noise"


@pytest.mark.parametrize("refine", [True, False])
def test_what_fills_impulses_is_refined_as_the_picture_would_be(refine):
    draws = np.random.default_rng(0).random((64, 64, 1))
    picture = np.where(draws < 0.05, 0, np.where(draws > 0.95, 1, 0.5 + 0.2 * draws))
    rest = ("sigma", "gain", "reference", "part")
    options = dict.fromkeys(rest) | {"noise": "auto", "seed": 0, "warm": False}
    plan = make_plan(
        picture.astype(np.float32), task=None, preset="fast", settings={"refine": refine}, **options
    )
    assert plan.preset.task.name == "inpaint"
    assert plan.preset.task.refine == refine
