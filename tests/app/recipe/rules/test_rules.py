"""The rules by name: what they set aside, and that they end a fit."""

import csv
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.app import (
    assembly,
    command,
    degrade,
    fits,
    presets,
    problem,
    restore,
    settings,
    stopping,
)
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import write_picture
from dip_jax.app.recipe import STOPS, STOPS_OF, find_preset
from dip_jax.noise import Noise

SIZE = 40
SIGMA = 25.0


def noisy(size=SIZE):
    y, x = np.mgrid[0:size, 0:size] / size
    clean = np.stack([0.3 + 0.4 * x, 0.3 + 0.4 * y, 0.5 + 0.2 * (x > y)], axis=2)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return np.clip(clean + SIGMA / 255 * noise, 0, 1).astype(np.float32)


PICTURE = noisy()
KNOWN = np.random.default_rng(1).random((SIZE, SIZE, 1)) < 0.7
CASES = [
    (task, rule)
    for task, rules in STOPS_OF.items()
    for rule in rules
    if rule not in ("auto", "none")
]


@pytest.fixture(autouse=True)
def small(small_presets):
    """The algorithms are kept by preset: those made here have other constants."""
    assembly._algorithm.cache_clear()
    yield
    assembly._algorithm.cache_clear()


def parts_of(task, rule, y=PICTURE, key=0):
    preset = find_preset("fast", task)._replace(stop=rule)
    known = KNOWN.astype(np.float32) if task == "inpaint" else None
    noise = Noise("gaussian", SIGMA) if task == "denoise" else None
    placed = problem.place(preset, y, known, None, stride=1)
    return stopping.partition(preset, placed, noise, jax.random.key(key))


@pytest.mark.parametrize(("task", "rule"), CASES)
def test_every_rule_ends_a_fit(task, rule, monkeypatch):
    """With little patience."""
    monkeypatch.setattr(stopping, "WARM_UP", 3)
    for patience in ("PATIENCE", "HIDING_PATIENCE"):
        monkeypatch.setattr(stopping, patience, {"patience": 0.0, "at_least": 2})
    monkeypatch.setattr(stopping, "WINDOW", 5)
    options = {"alpha": 0.0} if rule == "discrepancy" else {}
    sigma = 120.0 if rule == "discrepancy" else SIGMA
    result = restore(
        PICTURE,
        task=task,
        stop=rule,
        mask=KNOWN if task == "inpaint" else None,
        sigma=sigma if task == "denoise" else None,
        steps=250,
        factor=2,
        decay=0.0,  # single outputs go up and down
        progress=False,
        **options,
    )
    steps = len(result.trace["loss"])
    assert steps < 250
    assert result.preset.stop == rule
    if rule != "discrepancy":
        chosen = int(result.trace["chosen"][-1])
        assert 0 < chosen <= steps - 2
    assert np.isfinite(result.image).all()
    assert result.image.std() > 0


@pytest.mark.parametrize("task", ["denoise", "inpaint", "super_resolve"])
def test_held_out_values_reach_neither_loss_nor_input(task):
    parts = parts_of(task, "held_out")
    held = np.asarray(parts.known) == 0
    if task == "inpaint":
        held &= KNOWN
    assert 0.01 < held.mean() < 0.07
    other = parts_of(task, "held_out", np.where(held, 0.9, PICTURE).astype(np.float32))
    np.testing.assert_array_equal(parts.y, other.y)
    image = jnp.full((SIZE, SIZE, 3), 0.4)
    if task == "super_resolve":
        image = jnp.full((4 * SIZE, 4 * SIZE, 3), 0.4)
    preset = find_preset("fast", task)
    losses = [float(stopping.make_task(preset, p.y, p.known).loss(image)) for p in (parts, other)]
    assert losses[0] == losses[1]
    assert parts.validation.loss(image) != other.validation.loss(image)


def test_held_out_values_are_not_mirrored_into_the_margin():
    placed = problem.place(find_preset("fast", "denoise"), PICTURE, None, None, stride=32)
    preset = find_preset("fast", "denoise")._replace(stop="held_out")
    key, noise = jax.random.key(0), Noise("gaussian", SIGMA)
    held = np.asarray(stopping.partition(preset, placed, noise, key).known != placed.known)
    assert held.any()
    strange = np.where(placed.window.crop(held), 0.9, PICTURE).astype(np.float32)
    other = problem.place(preset, strange, None, None, stride=32)
    assert (other.y != placed.y).sum() > 3 * held.sum()  # in the margins too
    parts = [stopping.partition(preset, one, noise, key) for one in (placed, other)]
    np.testing.assert_array_equal(parts[0].y, parts[1].y)


def test_r2r_fits_one_copy_and_validates_with_the_other():
    parts = parts_of("denoise", "r2r")
    more = SIGMA / 255 / (1 - stopping.split_share(SIZE, SIZE)) ** 0.5
    np.testing.assert_allclose(parts.deviation, more, rtol=1e-5)
    assert np.abs(parts.y - PICTURE).max() > 0.01
    # Clipped pixels, whose noise is smaller than sigma, are left out of the validation.
    clipped = PICTURE.copy()
    clipped[3:9] = 1.0
    validation = parts_of("denoise", "r2r", clipped).validation
    image = jnp.full((SIZE, SIZE, 3), 0.4)
    gradient = np.asarray(jax.grad(validation.loss)(image))
    assert not gradient[3:9].any()
    assert gradient[:3].all()
    # ... unless nothing is left.
    white = parts_of("denoise", "r2r", np.ones_like(PICTURE)).validation
    assert white.loss(image) > 0


def test_held_out_values_are_not_in_the_input_of_a_super_resolution(monkeypatch):
    seen = []

    def make_input(preset, fed, *rest):
        seen.append(np.asarray(fed))
        return problem.make_input(preset, fed, *rest)

    monkeypatch.setattr(fits, "make_input", make_input)
    options = {"task": "super_resolve", "stop": "held_out", "input": "image"}
    options |= {"steps": 1, "progress": False}
    preset = find_preset("fast", "super_resolve")._replace(stop="held_out")
    key = jax.random.fold_in(jax.random.key(0), 2)  # the split of seed 0
    placed = problem.place(preset, PICTURE, None, None, stride=1)
    held = np.asarray(stopping.partition(preset, placed, None, key).known) == 0
    for y in (PICTURE, np.where(held, 0.9, PICTURE).astype(np.float32)):
        restore(y, **options)
    np.testing.assert_array_equal(*seen)
    assert seen[0].shape == (4 * SIZE, 4 * SIZE, 3)


@pytest.mark.parametrize("rule", ["r2r", "held_out"])
@pytest.mark.parametrize("white", [False, True])
def test_validation_is_unbiased_for_dark_poisson_noise(white, rule):
    """Of flat pictures it likes best the one with the true brightness."""
    truth, gain = 0.04, 50
    dark = np.full((96, 96, 3), truth, np.float32)
    dark[:10] = 1 if white else truth
    y = degrade.add_poisson_noise(dark, gain, seed=0)
    preset = find_preset("fast", "denoise")._replace(stop=rule)
    placed = problem.place(preset, y, None, None, stride=1)
    noise = Noise("poisson", gain).seen_to_be_clipped(y)
    assert noise.clipped == white
    parts = stopping.partition(preset, placed, noise, jax.random.key(0))
    top = jnp.asarray(dark == 1)
    flat = jax.grad(lambda level: parts.validation.loss(jnp.where(top, 1.0, level)))
    assert flat(truth - 0.015) < 0 < flat(truth + 0.015)


@pytest.mark.parametrize("rule", ["r2r", "held_out"])
@pytest.mark.parametrize(
    ("kind", "level", "truth"), [("gaussian", 60, 0.03), ("poisson", 20, 0.85)]
)
def test_validation_is_unbiased_for_clipped_noise(kind, level, truth, rule):
    """Of flat pictures it likes best the one with the brightness before clipping."""
    add = degrade.add_noise if kind == "gaussian" else degrade.add_poisson_noise
    y = add(np.full((128, 128, 3), truth, np.float32), level, seed=0)
    preset = find_preset("fast", "denoise")._replace(stop=rule)
    placed = problem.place(preset, y, None, None, stride=1)
    noise = Noise(kind, level).seen_to_be_clipped(y)
    assert noise.clipped
    parts = stopping.partition(preset, placed, noise, jax.random.key(0))
    before = level / 255 if kind == "gaussian" else (level / 255 * truth) ** 0.5
    before *= (1 - stopping.split_share(128, 128)) ** -0.5 if rule == "r2r" else 1
    np.testing.assert_allclose(np.median(parts.deviation), before, rtol=0.01)
    # Drawn again once and for all, or told to the fit, which draws at each step.
    again = rule == "r2r"
    assert (abs(parts.y.mean() - truth) < 0.015) == again
    assert ((parts.cut != 0).mean() > 0.2) == (not again)
    flat = jax.grad(lambda level: parts.validation.loss(jnp.full(y.shape, level)))
    assert flat(truth - 0.04) < 0 < flat(truth + 0.04)


def test_discrepancy_is_one_at_the_noise_level():
    clipped = PICTURE.copy()
    clipped[3:9] = 1.0  # does not count
    validation = parts_of("denoise", "discrepancy", clipped).validation
    error = validation.loss(jnp.asarray(clipped).at[3:9].set(0.2) + SIGMA / 255)
    assert float(error) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("size", "noise", "share"),
    [
        (32, Noise("gaussian", 25.0), 1 / 16),
        (256, Noise("gaussian", 50.0), 1 / 36),
        (128, Noise("gaussian", 25.0), 1 / 49),
        (512, Noise("gaussian", 25.0), 1 / 196),
        (128, None, 1 / 49),
        (128, Noise("gaussian", 50.0), 1 / 16),
        (128, Noise("gaussian", 250.0), 1 / 16),
        (128, Noise("gaussian", 15.0), 1 / 49),
        (128, Noise("gaussian", 1.0), 1 / 49),
        (128, Noise("poisson", 5.0), 1 / 49),
        (128, Noise("poisson", 20.0), 1 / 16),
        (128, Noise("gaussian", 32.0), 1 / 36),
        (128, Noise("gaussian", 40.0), 1 / 25),
        (48, Noise("gaussian", 250.0), 1 / 9),
    ],
)
def test_less_is_held_out_of_large_pictures_and_more_of_noisy_ones(size, noise, share):
    # The paper's method needs no noise level.
    name = "paper" if noise is None else "fast"
    preset = find_preset(name, "denoise")._replace(stop="held_out")
    y = np.full((size, size, 1), 0.5, np.float32)
    placed = problem.place(preset, y, None, None, stride=1)
    known = stopping.partition(preset, placed, noise, jax.random.key(0)).known
    assert 1 - known.mean() == pytest.approx(share, rel=0.1)


def test_few_photons_in_the_dark_are_weak_noise():
    preset = find_preset("fast", "denoise")._replace(stop="held_out")
    shares = []
    for grey in (0.1, 0.5):
        y = np.full((128, 128, 1), grey, np.float32)
        placed = problem.place(preset, y, None, None, stride=1)
        noise = Noise("poisson", 20.0)
        known = stopping.partition(preset, placed, noise, jax.random.key(0)).known
        shares.append(1 - float(known.mean()))
    np.testing.assert_allclose(shares, [1 / 49, 1 / 16], rtol=0.1)


@pytest.mark.parametrize(
    ("kind", "level", "s2"), [("gaussian", 20, 0.00615), ("poisson", 5, 0.00784)]
)
def test_what_is_fitted_tells_nothing_of_what_validates(kind, level, s2):
    """Of a flat picture, noise of variance ``s2``."""
    add = degrade.add_noise if kind == "gaussian" else degrade.add_poisson_noise
    y = add(np.full((128, 128, 3), 0.4, np.float32), level, seed=0)
    assert y.min() > 0
    assert y.max() < 1
    preset = find_preset("fast", "denoise")._replace(stop="r2r")
    placed = problem.place(preset, y, None, None, stride=1)
    parts = stopping.partition(preset, placed, Noise(kind, level), jax.random.key(0))
    # The loss is quadratic: its slope at 0 is the copy itself, but for a factor.
    other = -np.asarray(jax.grad(parts.validation.loss)(jnp.zeros(y.shape)))
    assert abs(np.corrcoef(parts.y.ravel(), other.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(parts.y.ravel(), y.ravel())[0, 1]) > 0.95
    alpha = stopping.split_share(128, 128)
    np.testing.assert_allclose(np.var(parts.y), s2 / (1 - alpha), rtol=0.03)
    np.testing.assert_allclose((np.std(other) / np.mean(other)) ** 2, s2 / 0.16 / alpha, rtol=0.05)


def test_margins_repeat_the_copy_that_is_fitted():
    preset = find_preset("fast", "denoise")._replace(stop="r2r")
    placed = problem.place(preset, PICTURE, None, None, stride=32)
    noise = Noise("gaussian", SIGMA)
    y = stopping.partition(preset, placed, noise, jax.random.key(0)).y
    assert y.shape == (64, 64, 3)
    np.testing.assert_array_equal(y, y.reshape(-1, 3)[placed.mirror])
    np.testing.assert_array_equal(np.asarray(placed.y).reshape(-1, 3)[placed.mirror], placed.y)


def test_large_pictures_are_split_less():
    shares = [stopping.split_share(size, size) for size in (16, 128, 256, 512)]
    np.testing.assert_allclose(shares, [0.1, 0.03, 0.015, 0.0075])
    assert stopping.split_share(64, 256) == stopping.split_share(128, 128)
    preset = find_preset("fast", "denoise")._replace(stop="r2r")
    y = np.full((256, 256, 1), 0.5, np.float32)
    placed = problem.place(preset, y, None, None, stride=1)
    parts = stopping.partition(preset, placed, Noise("gaussian", SIGMA), jax.random.key(0))
    added = np.std(parts.y) / (SIGMA / 255)  # w, scaled: alpha / (1 - alpha) of its power
    assert added**2 == pytest.approx(0.015 / 0.985, rel=0.03)


def test_auto_is_the_first_rule_that_suits():
    chosen = {}
    for task in settings.TASKS:
        preset = find_preset("fast", task)
        assert preset.stop == "auto"
        chosen[task] = stopping.rule_for(preset, None, 10**4)
        assert stopping.rule_for(preset, None, 1023) == "none"
    assert chosen == {
        "denoise": "held_out",
        "reconstruct": "none",
        "inpaint": "held_out",
        "super_resolve": "none",
    }
    own = ("fast", "best", "sure")  # the others are the paper's
    assert {preset.stop for preset in presets.PRESETS if preset.name not in own} == {"none"}


@pytest.mark.parametrize(
    ("task", "hide", "waits"), [("inpaint", 0.2, 30), ("inpaint", 0.0, 3), ("denoise", 0.2, 3)]
)
def test_who_fills_single_pixels_waits_longer(task, hide, waits, monkeypatch):
    """Its held-out error stands still and falls again; hidden pixels keep it from overfitting."""
    monkeypatch.setattr(stopping, "PATIENCE", {"patience": 0.0, "at_least": 3})
    monkeypatch.setattr(stopping, "HIDING_PATIENCE", {"patience": 0.0, "at_least": 30})
    mask = KNOWN if task == "inpaint" else None
    # Of single outputs, one is soon the best for some steps.
    options = {"task": task, "hide": hide, "stop": "held_out", "decay": 0.0, "factor": 2}
    result = restore(PICTURE, mask=mask, steps=300, progress=False, **options)
    steps, chosen = len(result.trace["chosen"]), int(result.trace["chosen"][-1])
    assert steps - chosen == waits
    assert steps < 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stop": "psnr"}, "stop=psnr: is unknown; there are auto, r2r"),
        ({"stop": "held_out", "task": "reconstruct"}, "does not suit reconstruct"),
        ({"stop": "r2r", "task": "super_resolve"}, "these do: auto, held_out, wmv, emv, none"),
        ({"stop": "discrepancy"}, "does not suit denoise, preset fast"),
    ],
)
def test_a_rule_that_does_not_suit_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        restore(PICTURE, **options)


def test_rules_that_lack_noise_or_pixels_say_so():
    with pytest.raises(UserError, match=r"stop=r2r: needs noise"):
        restore(np.full((40, 40, 3), 0.5, np.float32), stop="r2r")
    with pytest.raises(UserError, match=r"stop=held_out: needs at least 1024 known pixels"):
        restore(noisy(20), stop="held_out")


def test_the_command_reports_the_choice(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", {"patience": 0.0, "at_least": 5})
    write_picture(tmp_path / "p.png", PICTURE)
    flags = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", "--steps=300"]
    assert command.main([*flags, f"--sigma={SIGMA}"]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    with (tmp_path / "out" / "trace.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (chosen,) = record["chosen_steps"]
    assert f"stopping rule held_out: the picture is that of step {chosen}" in out
    assert record["settings"]["stop"] == "held_out"
    assert record["steps"] == len(rows) >= chosen > 0
    assert int(float(rows[-1]["chosen"])) == chosen
    smooth = np.array([float(row["validation"]) for row in rows])
    assert np.argmin(smooth) + 1 == pytest.approx(chosen, abs=15)
    assert command.main(["--task=reconstruct", "--stop=held_out", *flags]) == 2
    assert "--stop=held_out: does not suit reconstruct" in capsys.readouterr().err


def test_stops_are_listed_for_all_tasks():
    assert set(STOPS_OF) == set(settings.TASKS)
    assert {rule for rules in STOPS_OF.values() for rule in rules} == set(STOPS)
