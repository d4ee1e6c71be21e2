"""The notebook call; what it shares with the command is tested there."""

import numpy as np
import pytest
from skimage import data

from dip_jax import operators
from dip_jax.app import restore
from dip_jax.app.errors import UserError
from dip_jax.app.machine.programs import compilations
from dip_jax.app.recipe import NETWORKS, Adam, BlindSpot, Plain, change, find_preset
from dip_jax.app.recipe.rules.held_out import HeldOut
from dip_jax.app.restore.canvas import canvas, put_on_canvas
from dip_jax.noise import NoiseModel

PICTURE = np.random.default_rng(0).random((9, 13, 3), np.float32)
MASK = np.ones((9, 13))
MASK[2:4, 3:7] = 0


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
def test_uint8_grey_and_rank_two():
    grey = (255 * PICTURE[..., 0]).astype(np.uint8)
    result = restore(grey, steps=2, progress=False)
    assert result.image.shape == (9, 13, 1)
    assert result.image.dtype == np.float32


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


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (PICTURE[None], "must be .h, w."),
        (np.zeros((0, 4, 3)), "must be .h, w."),
        (np.zeros((3, 40, 50)), r"np\.moveaxis\(array, 0, -1\) puts channels last"),
        (np.zeros((31, 20, 50)), r"puts channels last"),
        (PICTURE * np.nan, "without NaN"),
        (PICTURE * 255, "must be in .0, 1."),
        ((PICTURE * 255).astype(np.int32), "must be uint8"),
    ],
)
def test_bad_pictures_are_told(picture, words):
    with pytest.raises(ValueError, match=words):
        restore(picture, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [2, 5, 31])
@pytest.mark.parametrize(
    "task", [{"task": "denoise"}, {"task": "inpaint"}, {"task": "super_resolve", "factor": 2}]
)
def test_any_number_of_channels(tiny_presets, channels, task):
    y = np.random.default_rng(0).random((32, 35, channels), np.float32)
    arrays = {"mask": np.eye(32, 35) == 0} if task["task"] == "inpaint" else {}
    result = restore(y, steps=2, progress=False, **task, **arrays)
    factor = task.get("factor", 1)
    assert result.image.shape == (32 * factor, 35 * factor, channels)
    if arrays:
        np.testing.assert_array_equal(result.image[arrays["mask"]], y[arrays["mask"]])


def test_another_generator_brings_its_own_options():
    preset = change(find_preset("fast", "denoise"), generator="resnet")
    assert preset.network.options == NETWORKS["resnet"].options
    own = NETWORKS["resnet"].settings
    assert own.items() <= {name: getattr(preset.optimizer, name) for name in Adam.fields()}.items()
    assert change(preset, options={"blocks": 2}).network.options == (("blocks", 2),)


def test_decoders_are_fed_a_fixed_noise_unless_told_otherwise():
    fast = find_preset("fast", "denoise")
    preset = change(fast, generator="deep_decoder")
    assert fast.method.feeds_picture
    depth = dict(preset.network.options)["width"]
    assert preset.method == Plain(input="noise", depth=depth, jitter=0.0)
    assert change(fast, generator="deep_decoder", jitter=0.1).method.jitter == 0.1


@pytest.mark.parametrize(("size", "expected"), [(1, 64), (64, 64), (65, 96), (100, 128)])
def test_canvas_holds_the_picture_in_its_middle(size, expected):
    window = canvas(size, 70, 32)
    assert (window.height, window.width) == (expected, 96)
    below = window.height - window.crop.top - size
    assert 0 <= below - window.crop.top <= 1


@pytest.mark.slow
def test_pictures_of_one_canvas_share_their_programs(monkeypatch):
    """63x63 and 64x64 both lie on 64x64."""
    divide, traced = HeldOut.divide, []
    monkeypatch.setattr(
        HeldOut, "divide", lambda *args, **options: traced.append(1) or divide(*args, **options)
    )
    options = {"steps": 2, "stop": "held_out", "sigma": 25.0, "progress": False}
    draw = np.random.default_rng(0).random
    restore(draw((64, 64, 3), np.float32), **options)
    before = compilations("cpu"), len(traced)
    result = restore(draw((63, 63, 3), np.float32), **options)
    assert traced
    assert (compilations("cpu"), len(traced)) == before
    assert result.image.shape == (63, 63, 3)


def test_nothing_is_asked_of_the_margin():
    """The loss is a mean over the picture, the metric too; margins repeat the picture."""
    y = np.random.default_rng(0).random((9, 13, 1), np.float32)
    spec = find_preset("fast", "denoise").task
    placed = put_on_canvas(spec, y, None, y, stride=8)
    assert placed.y.shape == (16, 16, 1)
    np.testing.assert_array_equal(placed.y.reshape(-1, 1)[placed.mirror], placed.y)
    assert (placed.mirror != np.arange(256).reshape(16, 16)).sum() == 256 - 9 * 13
    weights = placed.known / np.sqrt(placed.region.mean())
    task = spec.make(placed.y, weights, {}, placed.reference, placed.region)
    image = 0.3 + 0 * placed.y
    square = np.mean((y - 0.3) ** 2)
    strange = np.where(placed.region == 1, image, 7.0)
    for one in (image, strange):
        np.testing.assert_allclose(task.loss(one), square, rtol=1e-5)
        np.testing.assert_allclose(task.metrics(one)["psnr"], -10 * np.log10(square), rtol=1e-5)


def test_a_black_picture_comes_back(tiny_presets):
    result = restore(np.zeros((9, 13, 3), np.float32), steps=3, progress=False)
    assert result.noise.level == 0
    assert np.isfinite(result.image).all()


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
    noisy = np.random.default_rng(0).random((40, 40, 3), np.float32)
    options = {"widths": (4, 4), "skip_widths": 2}
    result = restore(noisy, sigma=25.0, steps=4, options=options, progress=False, extra_noise=0.5)
    assert np.isfinite(result.image).all()
    assert len(set(result.trace["loss"])) == 4


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


def area(mask):
    mask[10:25, 5:30] = 0


def rows(mask):
    mask[::2] = 0


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
    mask = np.ones((48, 40), np.uint8)
    damage(mask)
    picture = np.random.default_rng(0).random((48, 40, 3), np.float32)
    options = {"task": "inpaint", "mask": mask, "steps": 3, "progress": False}
    result = restore(picture, **options)
    assert isinstance(result.preset.method, BlindSpot) == (hides > 0)
    assert getattr(result.preset.method, "hide", 0) == hides
    np.testing.assert_array_equal(result.image[mask == 1], picture[mask == 1])
    # What is missing reaches nothing.
    other = np.where(mask[:, :, None] == 1, picture, np.float32(0.25))
    np.testing.assert_array_equal(restore(other, **options).image, result.image)


@pytest.mark.slow
def test_hiding_can_be_told(tiny_presets):
    mask = np.ones((48, 40), np.uint8)
    scattered(mask)
    picture = np.random.default_rng(0).random((48, 40, 3), np.float32)
    options = {"task": "inpaint", "mask": mask, "steps": 3, "progress": False}
    images = [restore(picture, hide=hide, **options).raw for hide in (0.0, 0.3, 0.5)]
    assert not np.array_equal(images[0], images[2])
    assert not np.array_equal(images[1], images[2])


@pytest.mark.slow
def test_a_scattered_inpainting_begins_from_a_guess(tiny_presets):
    mask = np.ones((48, 40), np.uint8)
    scattered(mask)
    picture = np.tile(np.linspace(0, 0.9, 40, dtype=np.float32)[:, None], (48, 1, 3))
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


def test_settings_may_be_lists_as_a_report_holds_them():
    preset = find_preset("fast", "denoise")
    options = {"widths": [4, 4], "skip_widths": 4}
    changes = change(preset, options=options)
    assert dict(changes.network.options)["widths"] == (4, 4)
    assert changes == change(preset, options=[list(p) for p in options.items()])
    hash(changes)


@pytest.mark.slow
def test_a_loss_of_few_pixels_is_no_divergence():
    """Each step hides some forty of 400 known pixels, one of which may be predicted badly."""
    picture = np.float32(data.astronaut()[100:164, 200:264] / 255)
    mask = (np.random.default_rng(1).random((64, 64)) > 0.9).astype(float)
    options = {"task": "inpaint", "steps": 100, "progress": False}
    options["options"] = {"widths": (8, 8), "skip_widths": 4, "upsampling": "bilinear"}
    result = restore(picture * mask[..., None], mask=mask, **options)
    assert result.preset.method.hide == 0.2
    assert result.trace["restores"][-1] == 0  # ten, by the loss of single steps
