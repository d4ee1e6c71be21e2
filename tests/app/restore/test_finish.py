"""What is done to a restoration after its fits."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import compilation, filling, non_local
from dip_jax.app import restore
from dip_jax.app.errors import UserError
from dip_jax.app.files.checkpoint import Checkpoint
from dip_jax.app.recipe import BlindSpot, Plain, change, find_preset
from dip_jax.app.restore import finish, session
from dip_jax.app.restore.canvas import put_on_canvas
from dip_jax.damage import add_noise
from dip_jax.noise import NoiseModel, smooth

RNG = np.random.default_rng(0)
TRUTH = np.full((64, 64, 3), 0.5, np.float32)
MEASURED = (TRUTH + 0.02 * RNG.standard_normal(TRUTH.shape)).astype(np.float32)
complete = compilation.jit(filling.complete)


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "hide"), [("held_out", 0.0), ("none", 0.0), ("held_out", 0.5)])
def test_what_the_fit_did_not_see_is_weighed_in(stop, hide, tiny_presets, monkeypatch):
    """Held-out values, or all if each was predicted from others."""
    unseen = []

    def spy(restored, y, counts, noise):
        unseen.append(counts.mean())
        return restored

    monkeypatch.setattr(finish, "blend_unseen_pixels", spy)
    options = {"sigma": 5.0, "steps": 2, "progress": False}
    restore(MEASURED, stop=stop, hide=hide, members=2, **options)
    if hide:
        assert unseen == [1.0]  # of the mean
    else:
        share = {"held_out": 0.04, "none": 0.0}[stop]
        assert unseen == pytest.approx([share, share], abs=0.01)  # each member its own


def test_clipping_is_undone():
    """The mean of a black and white picture whose noise was clipped is grey."""
    sigma = 60
    clean = np.repeat(np.arange(64) < 32, 64).reshape(64, 64, 1).astype(np.float32)
    y = add_noise(clean, sigma, seed=0)
    noise = NoiseModel("gaussian", sigma).detect_clipping(y)
    assert noise.clipped
    preset = find_preset("fast", "denoise")
    placed = put_on_canvas(preset.task, y, None, None, 32)
    scene = finish.Scene(preset, noise, y, {}, placed, np.zeros_like(placed.known))
    mean = np.where(clean == 1, y[clean == 1].mean(), y[clean == 0].mean()).astype(np.float32)
    assert np.abs(mean - clean).max() > 0.08
    assert np.abs(finish._blend_held_out(mean, scene) - clean).max() < 0.02


@pytest.mark.slow
def test_scores_on_the_way_are_those_of_the_corrected_picture(tiny_presets):
    clean = np.zeros((40, 40, 1), np.float32)
    y = add_noise(clean, 60, seed=0)
    options = {"sigma": 60, "stop": "none", "hide": 0.0, "steps": 30, "progress": False}
    result = restore(y, reference=clean, **options)
    assert result.noise == NoiseModel("gaussian", 60.0, clipped=True)
    psnr = -10 * np.log10(np.mean((result.raw - clean) ** 2))
    assert result.trace["average_psnr"][-1] == pytest.approx(psnr, abs=0.01)


@pytest.mark.slow
def test_blind_spots_are_clipped_and_weighed_before_they_are_unclipped(tiny_presets):
    clean = np.full((40, 40, 1), 0.03, np.float32)
    y = add_noise(clean, 60, seed=0)
    result = restore(y, sigma=60, stop="none", hide=0.5, steps=400, progress=False)
    assert result.preset.method == BlindSpot(0.5)
    assert abs(result.image.mean() - 0.03) < 0.02 < abs(float(jnp.mean(y)) - 0.03)


@pytest.mark.slow
def test_only_what_keeps_known_pixels_moves(tiny_presets):
    mask = np.ones((40, 30), np.uint8)
    mask[10:30, 10:13] = 0
    picture = np.tile(np.linspace(0.2, 0.8, 30, dtype=np.float32), (40, 1))
    options = {"task": "inpaint", "mask": mask, "steps": 2, "stop": "none", "progress": False}
    kept = restore(picture, **options)
    wanted = complete(kept.raw, picture[:, :, None], mask[:, :, None].astype(np.float32))
    np.testing.assert_allclose(kept.image, np.clip(wanted, 0, 1), atol=2e-3)
    moved = (kept.image - kept.raw)[mask == 0]
    assert np.abs(moved).mean() > 0.05
    bare = restore(picture, keep_known=False, **options)
    np.testing.assert_array_equal(bare.raw, kept.raw)
    np.testing.assert_array_equal(bare.image, np.clip(bare.raw, 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (60, 50)])  # filling its canvas, and not
def test_a_filled_picture_joins_what_is_known_on_its_canvas(size):
    truth = np.full((*size, 3), 0.5, np.float32)
    filled = truth + np.linspace(0, 0.2, size[0], dtype=np.float32)[:, None, None]
    known, image = _join(filled, truth)
    np.testing.assert_allclose(image, truth, atol=2e-3)
    wanted = complete(filled, truth, known[:, :, None].astype(np.float32))
    np.testing.assert_allclose(image, wanted, atol=2e-3)


def test_filled_pictures_of_one_canvas_share_the_program(monkeypatch):
    traced = []

    def counted(*args):
        traced.append(1)
        return filling.complete(*args)

    def fill(height, width):
        y = RNG.random((height, width, 3), np.float32)
        known, image = _join(0.5 * y, y)
        np.testing.assert_array_equal(image[known], y[known])

    monkeypatch.setattr(filling, "_complete", compilation.jit(counted))
    fill(64, 64)
    before = len(traced)
    assert before > 0
    fill(63, 40)
    assert len(traced) == before


def _join(filled, y):
    """Returns which pixels are known, all but a few letters, and the picture that joins them."""
    height, width = y.shape[:2]
    known = np.ones((height, width), bool)
    known[10:50, 20:23] = known[30:33, 5 : width - 4] = False
    mask = known[:, :, None].astype(np.float32)
    preset = change(find_preset("fast", "inpaint"), hide=0.0)
    placed = put_on_canvas(preset.task, y, mask, None, 32)
    assert placed.y.shape == (64, 64, 3)
    nothing = np.zeros_like(placed.known)
    scene = finish.Scene(preset, None, y, {"mask": mask}, placed, nothing)
    return known, finish._join_known(filled, scene)


@pytest.mark.slow
def test_strength_applies_part_of_the_change(tiny_presets):
    options = {"sigma": 5.0, "steps": 2, "progress": False}
    whole, half, none = (restore(MEASURED, strength=part, **options) for part in (100.0, 50.0, 0.0))
    np.testing.assert_allclose(half.image, (MEASURED + whole.image) / 2, atol=1e-6)
    np.testing.assert_array_equal(none.image, MEASURED)
    np.testing.assert_array_equal(half.raw, whole.raw)
    for strength, task in ((101.0, "denoise"), (50.0, "inpaint")):
        with pytest.raises(UserError, match=f"strength={strength}"):
            change(find_preset("fast", task), strength=strength)


@pytest.mark.slow
def test_strength_holds_for_impulses_too(tiny_presets):
    """They are filled as unknown pixels, of which a part of the change is one to the picture."""
    noisy = TRUTH.copy()
    noisy[RNG.random((64, 64)) < 0.05] = 1.0
    options = {"steps": 2, "progress": False}
    whole, half, none = (restore(noisy, strength=part, **options) for part in (100.0, 50.0, 0.0))
    assert whole.verdict.kind == "impulses"
    assert np.abs(whole.image - noisy).max() > 0.3
    np.testing.assert_allclose(half.image, (noisy + whole.image) / 2, atol=1e-6)
    np.testing.assert_array_equal(none.image, noisy)


@pytest.mark.slow
def test_a_result_worse_than_a_blur_is_doubted(tiny_presets, monkeypatch):
    options = {"sigma": 5.0, "steps": 2, "progress": False, "stop": "none"}
    monkeypatch.setattr(finish, "STEPS", (*finish.STEPS, finish.Step("picture", bool, _blur)))
    assert restore(MEASURED, **options).doubt == ""
    monkeypatch.setattr(finish, "STEPS", (*finish.STEPS, _SHIFT))
    assert "the fit went wrong" in restore(MEASURED, **options).doubt


def _blur(image, scene):
    del image
    return np.asarray(smooth(scene.y))


_SHIFT = finish.Step("picture", bool, lambda image, scene: np.clip(image + 0.1, 0, 1))


@pytest.mark.slow
def test_the_mean_of_denoised_fits_is_refined(tiny_presets):
    """By all values of the picture, also those that each fit did not see."""
    options = {"sigma": 5.0, "steps": 2, "members": 2, "progress": False}
    picture = MEASURED[:63, :63]  # smaller than its canvas
    plain, refined = (restore(picture, refine=refine, **options) for refine in (False, True))
    np.testing.assert_array_equal(refined.raw, plain.raw)
    assert not np.allclose(refined.image, plain.image, atol=1e-3)
    expected = np.clip(non_local.refine(picture, plain.raw, NoiseModel("gaussian", 5.0)), 0, 1)
    # The strips of the canvas begin elsewhere, so other patches are restored with their like.
    assert np.abs(refined.image - expected).mean() < 0.1 * np.abs(plain.image - expected).mean()


@pytest.mark.slow
def test_refining_needs_the_noise_level(tiny_presets):
    options = {"preset": "paper", "steps": 1, "progress": False}
    assert restore(MEASURED, **options).noise is None
    assert restore(MEASURED, refine=True, **options).noise is not None
    with pytest.raises(UserError, match="refine=1: must be True or False"):
        restore(MEASURED, refine=1, **options)
    with pytest.raises(UserError, match="refine: has no meaning for super_resolve"):
        restore(MEASURED, task="super_resolve", factor=2, refine=True)


def test_a_fit_that_needs_no_level_is_not_refined():
    fast = find_preset("fast", "denoise")
    assert fast.task.refine
    for settings in ({"generator": "deep_decoder"}, {"hide": 0.5}, {"method": Plain()}):
        assert not change(fast, **settings).task.refine
        assert change(fast, refine=True, **settings).task.refine
    assert change(fast, steps=3).task.refine


@pytest.mark.slow
def test_settings_say_whether_the_result_was_refined(tiny_presets):
    options = {"steps": 1, "progress": False, "refine": True}
    assert restore(MEASURED, sigma=5.0, **options).preset.task.refine
    assert not restore(MEASURED, hide=0.5, **options).preset.task.refine


@pytest.mark.slow
def test_a_bad_fit_is_doubted_though_refined(tiny_presets):
    """Refining draws it towards the picture."""
    rows, columns = np.mgrid[:64, :64]
    clean = (0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 7))[:, :, None]
    noisy = (clean + 10 / 255 * RNG.standard_normal(TRUTH.shape)).astype(np.float32)
    result = restore(noisy, sigma=10.0, steps=1, refine=True, progress=False)
    assert "there were too few steps" in result.doubt


@pytest.mark.slow
def test_an_interrupt_while_refining_keeps_the_fit(tiny_presets, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    options = {"sigma": 5.0, "steps": 2, "progress": False}
    whole = restore(MEASURED, refine=True, **options)
    with monkeypatch.context() as patch:
        patch.setattr(non_local, "refine", interrupt)
        with Checkpoint(tmp_path, {}, seconds=600) as checkpoint:
            result = restore(MEASURED, refine=True, checkpoint=checkpoint, **options)
    assert result.interrupted
    np.testing.assert_array_equal(result.image, restore(MEASURED, **options).image)
    with Checkpoint(tmp_path, {}, seconds=600) as checkpoint:  # fits nothing
        monkeypatch.setattr(session, "run_fit", None)
        again = restore(MEASURED, refine=True, checkpoint=checkpoint, **options)
    np.testing.assert_array_equal(again.image, whole.image)


@pytest.mark.slow
def test_an_interrupt_while_a_tile_is_refined_ends_the_run(tiny_presets, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    options = {"sigma": 5.0, "steps": 2, "progress": False}
    monkeypatch.setattr(non_local, "refine", interrupt)
    with pytest.raises(KeyboardInterrupt):  # a picture with missing tiles is no picture
        restore(np.tile(MEASURED, (1, 2, 1)), refine=True, tile=64, later_steps=0, **options)
