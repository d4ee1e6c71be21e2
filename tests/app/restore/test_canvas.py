"""From a picture to the generator's canvas."""

import numpy as np
import pytest

from dip_jax.app import restore
from dip_jax.app.machine.programs import compilations
from dip_jax.app.recipe import find_preset
from dip_jax.app.recipe.rules.held_out import HeldOut
from dip_jax.app.restore.canvas import canvas, put_on_canvas
from tests.app.restore.common import PICTURE


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


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
