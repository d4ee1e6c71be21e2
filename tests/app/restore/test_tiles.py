"""Tiles and their seams; what fits the memory is known before the run."""

import json

import jax
import numpy as np
import optax
import pytest
from PIL import Image

import dip_jax
from dip_jax.app import restore
from dip_jax.app.cli import command, report
from dip_jax.app.errors import UserError
from dip_jax.app.files.checkpoint import FOLDER, Checkpoint
from dip_jax.app.files.trace import concatenate_traces, final_values, number_steps
from dip_jax.app.machine import memory
from dip_jax.app.recipe import Denoise, preset
from dip_jax.app.restore import Watch, session
from dip_jax.app.restore.plan import make_plan
from dip_jax.loop import needed_bytes
from dip_jax.noise import NoiseModel
from dip_jax.operators import Crop
from dip_jax.tiling import blend, cut_tiles, most_detailed, surround_holes
from tests.app.common import tiny_runs
from tests.toy import Convolutions

# Of four tiles of 64 pixels a side.
PICTURE = np.random.default_rng(0).random((70, 96, 3), np.float32)


class BegunError(Exception):
    """Takes the place of a fit."""


class Stopping(Watch):
    """Ends a run when it says what it will do."""

    def begin(self, outline):
        raise BegunError(outline)


def outline_of(picture, **options):
    """Returns what a run would do."""
    with pytest.raises(BegunError) as begun:
        restore(picture, progress=Stopping(), **options)
    return begun.value.args[0]


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


@pytest.mark.slow
def test_a_tiled_picture_is_its_tiles_blended():
    options = {"steps": 3, "sigma": 25.0, "progress": False, "stop": "none"}
    result = restore(PICTURE, tile=64, later_steps=0, **options)
    crops = cut_tiles(70, 96, 64)
    alone = [restore(np.ascontiguousarray(crop(PICTURE)), **options).image for crop in crops]
    np.testing.assert_allclose(result.image, blend(alone, crops, 0 * PICTURE), atol=1e-6)
    assert result.trace["tile"].tolist() == sorted([*range(len(crops))] * 3)
    assert number_steps(result.trace).tolist() == [1, 2, 3] * len(crops)
    with pytest.raises(UserError, match="tile=40: must be 0, or at least 64"):
        restore(PICTURE, tile=40)


def test_a_tile_in_a_hole_is_refused_before_anything_is_fitted(monkeypatch):
    def begin(*_, **options):
        raise BegunError

    monkeypatch.setattr(session, "run_fit", begin)
    mask = np.ones((70, 96))
    mask[:, :66] = 0
    options = {"task": "inpaint", "steps": 2, "progress": False}
    with pytest.raises(UserError, match="tile=64: leaves a tile without a known pixel"):
        restore(PICTURE, mask=mask, tile=64, **options)
    with pytest.raises(BegunError):
        restore(PICTURE, mask=mask, tile=128, **options)


@pytest.mark.slow
def test_tiles_of_every_task():
    picture, mask = PICTURE[:64], np.ones((64, 96))
    mask[20:30, 20:60] = 0
    options = {"steps": 2, "tile": 64, "progress": False, "members": 2}
    filled = restore(picture, task="inpaint", mask=mask, **options)
    assert filled.image.shape == picture.shape
    np.testing.assert_array_equal(filled.image[mask == 1], picture[mask == 1])
    assert (filled.uncertainty > 0).tolist() == (mask == 0).tolist()
    large = restore(picture, task="super_resolve", factor=2, **options)
    assert large.image.shape == (128, 192, 3)
    assert final_values(large.trace, "restores") == [0] * 2 * len(cut_tiles(64, 96, 64))


def test_steps_are_counted_in_each_fit():
    one = {"loss": np.zeros(3)}
    two = concatenate_traces([one, {"loss": np.zeros(2)}], "member")
    assert number_steps(two).tolist() == [1, 2, 3, 1, 2]
    tiled = concatenate_traces([two, one | {"member": np.zeros(3)}], "tile")
    assert number_steps(tiled).tolist() == [1, 2, 3, 1, 2, 1, 2, 3]
    assert number_steps(one).tolist() == [1, 2, 3]


@pytest.mark.slow
def test_a_picture_that_does_not_fit_is_refused_or_tiled(tmp_path, capsys, monkeypatch):
    """With a machine of 30 megabytes."""
    monkeypatch.setattr(memory, "_MOST_PER_PIXEL", 10_000_000)
    large = np.random.default_rng(0).random((210, 300, 3), np.float32)
    Image.fromarray((255 * large).astype(np.uint8)).save(tmp_path / "p.png")
    flags = [f"--image={tmp_path / 'p.png'}", "--steps=2", f"--out={tmp_path / 'out'}"]

    def begin(*_, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "run_fit", begin)
        assert command.main(flags) == 130  # it does fit
    needed = []

    def so_much(*args):
        needed.append(needed_bytes(*args))
        return needed[-1]

    monkeypatch.setattr(session, "needed_bytes", so_much)
    monkeypatch.setattr(memory, "available_bytes", lambda: 8_000_000)
    capsys.readouterr()
    assert command.main([*flags, "--overwrite", "--nofit_memory"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"needs {needed[0] / 1e9:.1f} GB" in line
    assert "--fit_memory restores it in tiles" in line
    assert needed[0] > 210 * 300 * 3 * 4 * 5
    assert command.main([*flags, "--overwrite"]) == 0
    said = capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    side = record["settings"]["counts"]["tile"]
    assert 64 <= side < 210
    assert "too large for the free memory: restored in " in said
    assert f" tiles (--tile={side}), with blended seams" in said
    assert side**2 * needed[0] / (224 * 300) < 8_000_000
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    assert command.main([*flags, "--overwrite", "--fit_memory"]) == 2
    assert "take a narrower preset" in capsys.readouterr().err


@pytest.mark.slow
def test_needed_bytes_grow_with_the_picture():
    fit = dip_jax.dip(Convolutions(channels=3), optax.adam(0.01))
    key = jax.random.key(0)
    needs = []
    for size in (64, 128):
        task = dip_jax.denoise(jax.numpy.zeros((size, size, 3)))
        z = jax.ShapeDtypeStruct((size, size, 4), "float32")
        needs.append(needed_bytes(fit, key, task, z, "cpu"))
    assert 3 < needs[1] / needs[0] < 5


def test_a_task_that_needs_the_whole_picture_refuses_tiles(monkeypatch):
    monkeypatch.setattr(Denoise, "tiles", False)
    with pytest.raises(UserError, match="tile=64: denoise needs the whole picture; take 0"):
        restore(PICTURE, tile=64, sigma=25.0)


def scratched():
    """Returns a picture of 300x500 pixels with two scratches, and its mask."""
    mask = np.ones((300, 500), np.float32)
    mask[150, 40:180] = mask[20:60, 400:403] = 0
    return np.random.default_rng(1).random((300, 500, 3), np.float32), mask


@pytest.mark.slow
def test_only_windows_around_holes_are_fitted():
    picture, mask = scratched()
    options = {"task": "inpaint", "mask": mask, "steps": 2, "progress": False}
    result = restore(picture, **options)
    windows = surround_holes(mask[:, :, None])
    assert result.trace["tile"].tolist() == sorted([*range(len(windows))] * 2)
    np.testing.assert_array_equal(result.image[mask == 1], picture[mask == 1])
    assert (result.image[mask == 0] != picture[mask == 0]).mean() > 0.9
    crop = windows[-1]
    alone = restore(crop(picture), **options | {"mask": crop(mask)})
    np.testing.assert_array_equal(crop(result.image)[40:60], alone.image[40:60])
    # What was not fitted is the picture in the fit's own estimate too.
    np.testing.assert_array_equal(result.raw[:, 250:300], picture[:, 250:300])


def steps_of_windows(picture, mask, noise="auto", **settings):
    """How many steps each window would take."""
    plan = make_plan(
        picture,
        task="inpaint",
        preset="fast",
        noise=noise,
        sigma=None,
        gain=None,
        reference=None,
        seed=0,
        part=None,
        warm=False,
        settings={"mask": mask, "steps": 40, **settings},
    )
    return session.PictureRun(plan, Watch(), None, fit_memory=False)._steps


def test_windows_that_are_refined_take_a_share_of_the_steps():
    picture, mask = np.ones((600, 900, 3), np.float32), np.ones((600, 900), np.float32)
    mask[20:24, 20:24] = mask[300:340, 400:440] = 0  # a thin hole and a wide one
    assert [crop.height for crop in surround_holes(mask[:, :, None])] == [128, 256]
    quick = {"refine": True, "window_share": 0.25}
    assert steps_of_windows(picture, mask, **quick) == [10, 40]
    assert steps_of_windows(picture, mask, **quick | {"refine": False}) == [40, 40]
    assert steps_of_windows(picture, mask, refine=True, window_share=1.0) == [40, 40]
    # Nor is a window refined if there is noise; single pixels were not tried with fewer.
    assert steps_of_windows(picture, mask, noise=NoiseModel("gaussian", 5.0), **quick) == [40, 40]
    single = np.ones_like(mask)
    single[20, 20] = single[22, 24] = single[300, 700] = 0
    assert steps_of_windows(picture, single, **quick) == [40, 40]
    # A picture that is fitted as a whole takes all.
    assert steps_of_windows(picture[:128, :128], mask[:128, :128], **quick) == [40]


@pytest.mark.slow
def test_the_largest_window_has_to_fit_the_memory(monkeypatch):
    picture, mask = np.ones((600, 900, 3), np.float32), np.ones((600, 900), np.float32)
    mask[20:24, 20:24] = mask[300:340, 400:440] = 0
    assert [crop.height for crop in surround_holes(mask[:, :, None])] == [128, 256]
    asked = []

    def refuse(pixels):
        asked.append(pixels)
        raise UserError("image", "", "is too large")

    monkeypatch.setattr(memory, "may_not_fit", refuse)
    with pytest.raises(UserError):
        restore(picture, task="inpaint", mask=mask, progress=False)
    assert asked[0] >= 256 * 256


def test_noise_over_the_known_pixels_needs_the_whole_picture():
    picture, mask = scratched()
    options = {"task": "inpaint", "mask": mask}
    assert len(outline_of(picture, **options).crops) == 3
    (whole,) = outline_of(picture, keep_known=False, **options).crops
    assert whole == Crop(0, 0, 300, 500)


@pytest.mark.slow
def test_tiles_without_a_hole_are_not_fitted():
    picture, mask = scratched()
    options = {"task": "inpaint", "mask": mask, "steps": 1, "progress": False, "tile": 128}
    result = restore(picture, **options)
    fitted = [crop for crop in cut_tiles(300, 500, 128) if not crop(mask).all()]
    assert len(fitted) < len(cut_tiles(300, 500, 128))
    assert result.trace["tile"].tolist() == [*range(len(fitted))]
    np.testing.assert_array_equal(result.image[mask == 1], picture[mask == 1])


@pytest.mark.slow
def test_the_command_says_that_windows_are_fitted(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "_SHOWN", 1)
    picture, mask = scratched()
    for name, array in (("photo", picture), ("mask", mask)):
        Image.fromarray((255 * array).astype(np.uint8)).save(tmp_path / f"{name}.png")
    arguments = [str(tmp_path / "photo.png"), "--task=inpaint", f"--mask={tmp_path / 'mask.png'}"]
    assert command.main([*arguments, "--steps=1"]) == 0
    said = capsys.readouterr().out
    assert "fitted around the holes only: 3 windows, 33 % of the picture; the rest" in said
    assert ", and so on for 2 more fits\n" in said


WARM = {"steps": 6, "tile": 64, "later_steps": 2, "chunk_steps": 1, "sigma": 25.0, "stop": "none"}


@pytest.mark.slow
def test_later_tiles_go_on_from_the_one_before():
    y, x = np.mgrid[:70, :96] / 7
    waves = 0.5 + 0.4 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=2).astype(np.float32)
    waves[:, :48] *= 0.7  # less detail where the first of the tiles lies
    trace = restore(waves, progress=False, **WARM | {"steps": 40}).trace
    crops = cut_tiles(70, 96, 64)
    count, first = len(crops), most_detailed(waves, crops)
    assert first != 0
    assert np.bincount(trace["tile"]).tolist() == [40, *[2] * (count - 1)]
    cold, warm = (trace["loss"][trace["tile"] == tile][0] for tile in (0, 1))
    assert warm < 0.6 * cold


@pytest.fixture(scope="module")
def warm_run(tmp_path_factory):
    """The restoration by ``WARM``, which a run that was interrupted should end with too."""
    with tiny_runs(tmp_path_factory.getbasetemp()):
        return restore(PICTURE[:64], progress=False, **WARM)


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [3, 6, 7])  # in the first tile, after it, in the second
def test_an_interrupted_run_goes_on_with_what_its_tiles_handed_on(chunks, warm_run, tmp_path):
    shares = []

    def interrupt(share):
        shares.append(share)
        return len(shares) == chunks

    with Checkpoint(tmp_path, {}, seconds=0) as checkpoint, pytest.raises(KeyboardInterrupt):
        restore(PICTURE[:64], progress=interrupt, checkpoint=checkpoint, **WARM)
    begun = tmp_path / FOLDER / "99.orbax-checkpoint-tmp"  # by a save that was killed
    begun.mkdir()
    with Checkpoint(tmp_path, {}, seconds=0) as checkpoint:
        rest = restore(PICTURE[:64], progress=shares.append, checkpoint=checkpoint, **WARM)
    np.testing.assert_array_equal(rest.image, warm_run.image)
    assert not begun.exists()
    assert sum(shares) == pytest.approx(1)


@pytest.mark.slow
def test_a_large_picture_is_denoised_in_tiles_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(preset, "_LARGE", 6500)
    monkeypatch.setattr(preset, "_SIDE", 64)
    options = {"sigma": 25.0, "steps": 2, "stop": "none"}
    large = restore(PICTURE, progress=False, **options)
    assert large.preset.counts.tile == 64
    assert large.trace["tile"].max() + 1 == len(cut_tiles(70, 96, 64))
    assert outline_of(PICTURE, tile=0, **options).tile == 0
    assert outline_of(PICTURE[:64], **options).tile == 0
    # Without steps of its own for later tiles, a picture is fitted at once.
    assert outline_of(PICTURE, later_steps=0, **options).tile == 0
