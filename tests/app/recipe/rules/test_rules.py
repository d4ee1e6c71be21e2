"""The rules by name: what they set aside, and that they end a fit."""

import csv
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import damage
from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture
from dip_jax.app.recipe import (
    AUTO,
    PRESETS,
    RULES,
    TASKS,
    BlindSpot,
    Method,
    Plain,
    Split,
    build,
    choose_rule,
    find_preset,
    presets,
    split,
)
from dip_jax.app.recipe.rules import Measurement, moving, r2r
from dip_jax.app.restore.canvas import Problem, put_on_canvas
from dip_jax.base import Task
from dip_jax.noise import NoiseModel

SIZE = 40
SIGMA = 25.0
NOISE = NoiseModel("gaussian", SIGMA)
NO_PATIENCE = {"patience": 0.0, "at_least": 2}


def noisy(size=SIZE):
    y, x = np.mgrid[0:size, 0:size] / size
    clean = np.stack([0.3 + 0.4 * x, 0.3 + 0.4 * y, 0.5 + 0.2 * (x > y)], axis=2)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return np.clip(clean + SIGMA / 255 * noise, 0, 1).astype(np.float32)


PICTURE = noisy()
KNOWN = np.random.default_rng(1).random((SIZE, SIZE, 1)) < 0.7
SUITABLE = {
    "denoise": ("r2r", "held_out", "held_out_blocks", "wmv", "emv", "discrepancy", "none"),
    "reconstruct": ("wmv", "emv", "none"),
    "inpaint": ("held_out", "wmv", "emv", "none"),
    "super_resolve": ("held_out", "wmv", "emv", "none"),
    "deblur": ("held_out", "wmv", "emv", "none"),
}
# Each rule, and each task whose data it divides in another way. Rules that watch the outputs know
# nothing of the task: one each of those that fit by another method or size. Two tests below end
# fits of denoise and inpaint by held-out pixels.
CASES = [
    ("denoise", "r2r"),
    ("denoise", "held_out_blocks"),
    ("denoise", "wmv"),
    ("denoise", "discrepancy"),
    ("reconstruct", "emv"),
    ("inpaint", "emv"),
    ("super_resolve", "held_out"),
    ("super_resolve", "wmv"),
    ("deblur", "held_out"),
]


@pytest.fixture(autouse=True)
def small(tiny_presets):
    """The algorithms are kept by preset: those made here have other constants."""
    build._algorithm.cache_clear()
    yield
    build._algorithm.cache_clear()


class Parts(NamedTuple):
    """A picture that a rule has split."""

    problem: Problem
    split: Split
    validation: Task | None


def parts_of(rule, y, noise, *, task="denoise", name="fast", stride=1, key=None):
    """As for a fit with a preset."""
    spec, method = find_preset(name, task).task, find_preset(name, task).method
    known = KNOWN.astype(np.float32) if task == "inpaint" else None
    problem = put_on_canvas(spec, y, known, None, stride)
    rule = RULES[rule].resolve(spec, problem.y, noise, hides_pixels=method.hides_pixels)
    data = Measurement(problem.y, problem.known, problem.mirror)
    key = jax.random.key(0) if key is None else key
    part = split(rule, data, noise, key, feeds_noise=method.feeds_noise)

    def make(y, weight):
        return spec.make(y, weight, {})

    validation = rule.validate(part, make, noise, feeds_noise=method.feeds_noise)
    return Parts(problem, part, validation)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "rule"), CASES)
def test_every_rule_ends_a_fit(task, rule, monkeypatch):
    """With little patience."""
    monkeypatch.setattr(moving, "_WARM_UP", 3)
    monkeypatch.setattr(moving, "_WINDOW", 5)
    monkeypatch.setattr(moving.MovingVariance, "_patience", NO_PATIENCE)
    monkeypatch.setattr(moving.WindowedVariance, "_patience", NO_PATIENCE | {"at_least": 10})
    for method in (Method, BlindSpot):
        monkeypatch.setattr(method, "patience", NO_PATIENCE)
    options = {"method": Plain(depth=4, jitter=0.01)} if rule == "discrepancy" else {}
    options |= {"factor": 2} if task == "super_resolve" else {}
    options |= {"kernel": "box:3"} if task == "deblur" else {}
    large = noisy(64) if rule == "held_out_blocks" else PICTURE
    # A level that is too low lets the network learn the noise: blocks find that out.
    sigma = {"discrepancy": 120.0, "held_out_blocks": 0.3 * SIGMA}.get(rule, SIGMA)
    result = restore(
        large,
        task=task,
        stop=rule,
        mask=KNOWN if task == "inpaint" else None,
        sigma=sigma if task == "denoise" else None,
        steps=250,
        average_decay=0.0,  # single outputs go up and down
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


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "inpaint", "super_resolve"])
def test_held_out_values_reach_neither_loss_nor_input(task):
    noise = NOISE if task == "denoise" else None
    parts = parts_of("held_out", PICTURE, noise, task=task)
    held = np.asarray(parts.split.known) == 0
    if task == "inpaint":
        held &= KNOWN
    assert 0.01 < held.mean() < 0.07
    strange = np.where(held, 0.9, PICTURE).astype(np.float32)
    other = parts_of("held_out", strange, noise, task=task)
    np.testing.assert_array_equal(parts.split.y, other.split.y)
    image = jnp.full((SIZE, SIZE, 3), 0.4)
    if task == "super_resolve":
        image = jnp.full((4 * SIZE, 4 * SIZE, 3), 0.4)
    spec = find_preset("fast", task).task
    tasks = [spec.make(p.split.y, p.split.known, {}) for p in (parts, other)]
    assert tasks[0].loss(image) == tasks[1].loss(image)
    assert parts.validation.loss(image) != other.validation.loss(image)


def test_held_out_values_are_not_mirrored_into_the_margin():
    problem, parts, _ = parts_of("held_out", PICTURE, NOISE, stride=32)
    held = np.asarray(parts.known != problem.known)
    assert held.any()
    strange = np.where(problem.window.crop(held), 0.9, PICTURE).astype(np.float32)
    other, other_parts, _ = parts_of("held_out", strange, NOISE, stride=32)
    assert (other.y != problem.y).sum() > 3 * held.sum()  # in the margins too
    np.testing.assert_array_equal(parts.y, other_parts.y)


def test_r2r_fits_one_copy_and_validates_with_the_other():
    parts = parts_of("r2r", PICTURE, NOISE).split
    more = SIGMA / 255 / (1 - r2r._share(SIZE, SIZE)) ** 0.5
    np.testing.assert_allclose(parts.sigma, more, rtol=1e-5)
    assert np.abs(parts.y - PICTURE).max() > 0.01
    # Clipped pixels, whose noise is smaller than sigma, are left out of the validation.
    clipped = PICTURE.copy()
    clipped[3:9] = 1.0
    validation = parts_of("r2r", clipped, NOISE).validation
    image = jnp.full((SIZE, SIZE, 3), 0.4)
    gradient = np.asarray(jax.grad(validation.loss)(image))
    assert not gradient[3:9].any()
    assert gradient[:3].all()
    # ... unless nothing is left.
    white = parts_of("r2r", np.ones_like(PICTURE), NOISE).validation
    assert white.loss(image) > 0


@pytest.mark.slow
def test_held_out_values_are_not_in_the_input_of_a_super_resolution(monkeypatch):
    make_input, seen = Plain.make_input, []

    def spy(*args):
        seen.append(np.asarray(make_input(*args)))
        return seen[-1]

    monkeypatch.setattr(Plain, "make_input", spy)
    options = {"task": "super_resolve", "stop": "held_out", "input": "image"}
    options |= {"steps": 1, "members": 1, "progress": False}
    key = jax.random.fold_in(jax.random.key(0), 2)  # the split of seed 0
    parts = parts_of("held_out", PICTURE, None, task="super_resolve", key=key).split
    held = np.asarray(parts.known) == 0
    assert held.any()
    for y in (PICTURE, np.where(held, 0.9, PICTURE).astype(np.float32)):
        restore(y, **options)
    np.testing.assert_array_equal(*seen)
    assert seen[0].shape == (4 * SIZE, 4 * SIZE, 3)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["r2r", "held_out"])
@pytest.mark.parametrize("white", [False, True])
def test_validation_is_unbiased_for_dark_poisson_noise(white, rule):
    """Of flat pictures it likes best the one with the true brightness."""
    truth, gain = 0.04, 50
    dark = np.full((128, 128, 3), truth, np.float32)
    dark[:10] = 1 if white else truth
    y = damage.add_poisson_noise(dark, gain, seed=0)
    noise = NoiseModel("poisson", gain).detect_clipping(y)
    assert noise.clipped == white
    parts = parts_of(rule, y, noise)
    top = jnp.asarray(dark == 1)
    flat = jax.grad(lambda level: parts.validation.loss(jnp.where(top, 1.0, level)))
    assert flat(truth - 0.015) < 0 < flat(truth + 0.015)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["r2r", "held_out"])
@pytest.mark.parametrize(
    ("kind", "level", "truth"), [("gaussian", 60, 0.03), ("poisson", 20, 0.85)]
)
def test_validation_is_unbiased_for_clipped_noise(kind, level, truth, rule):
    """Of flat pictures it likes best the one with the brightness before clipping."""
    add = damage.add_noise if kind == "gaussian" else damage.add_poisson_noise
    y = add(np.full((128, 128, 3), truth, np.float32), level, seed=0)
    noise = NoiseModel(kind, level).detect_clipping(y)
    assert noise.clipped
    _, parts, validation = parts_of(rule, y, noise)
    before = level / 255 if kind == "gaussian" else (level / 255 * truth) ** 0.5
    before *= (1 - r2r._share(128, 128)) ** -0.5 if rule == "r2r" else 1
    np.testing.assert_allclose(np.median(parts.sigma), before, rtol=0.01)
    # Drawn again once and for all, or told to the fit, which draws at each step.
    again = rule == "r2r"
    assert (abs(parts.y.mean() - truth) < 0.015) == again
    assert ((parts.clipped != 0).mean() > 0.2) == (not again)
    flat = jax.grad(lambda level: validation.loss(jnp.full(y.shape, level)))
    assert flat(truth - 0.04) < 0 < flat(truth + 0.04)


def test_discrepancy_is_one_at_the_noise_level():
    clipped = PICTURE.copy()
    clipped[3:9] = 1.0  # does not count
    validation = parts_of("discrepancy", clipped, NOISE).validation
    error = validation.loss(jnp.asarray(clipped).at[3:9].set(0.2) + SIGMA / 255)
    assert float(error) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("size", "noise", "share"),
    [
        (32, NoiseModel("gaussian", 25.0), 1 / 16),
        (256, NoiseModel("gaussian", 50.0), 1 / 36),
        (128, NoiseModel("gaussian", 25.0), 1 / 49),
        (512, NoiseModel("gaussian", 25.0), 1 / 196),
        (128, None, 1 / 49),
        (128, NoiseModel("gaussian", 50.0), 1 / 16),
        (128, NoiseModel("gaussian", 250.0), 1 / 16),
        (128, NoiseModel("gaussian", 15.0), 1 / 49),
        (128, NoiseModel("gaussian", 1.0), 1 / 49),
        (128, NoiseModel("poisson", 5.0), 1 / 49),
        (128, NoiseModel("poisson", 20.0), 1 / 16),
        (128, NoiseModel("gaussian", 32.0), 1 / 36),
        (128, NoiseModel("gaussian", 40.0), 1 / 25),
        (48, NoiseModel("gaussian", 250.0), 1 / 9),
    ],
)
def test_less_is_held_out_of_large_pictures_and_more_of_noisy_ones(size, noise, share):
    """One pixel of each square; the test below counts them."""
    y = np.full((size, size, 1), 0.5, np.float32)
    spec = find_preset("fast", "denoise").task
    rule = RULES["held_out"].resolve(spec, y, noise, hides_pixels=False)
    assert rule.spacing**-2 == pytest.approx(share)


def test_few_photons_in_the_dark_are_weak_noise():
    shares = []
    for grey in (0.1, 0.5):
        y = np.full((128, 128, 1), grey, np.float32)
        known = parts_of("held_out", y, NoiseModel("poisson", 20.0)).split.known
        shares.append(1 - float(known.mean()))
    np.testing.assert_allclose(shares, [1 / 49, 1 / 16], rtol=0.1)


@pytest.mark.parametrize(
    ("kind", "level", "s2"), [("gaussian", 20, 0.00615), ("poisson", 5, 0.00784)]
)
def test_what_is_fitted_tells_nothing_of_what_validates(kind, level, s2):
    """Of a flat picture, noise of variance ``s2``."""
    add = damage.add_noise if kind == "gaussian" else damage.add_poisson_noise
    y = add(np.full((128, 128, 3), 0.4, np.float32), level, seed=0)
    assert y.min() > 0
    assert y.max() < 1
    _, parts, validation = parts_of("r2r", y, NoiseModel(kind, level))
    # The loss is quadratic: its slope at 0 is the copy itself, but for a factor.
    other = -np.asarray(jax.grad(validation.loss)(jnp.zeros(y.shape)))
    assert abs(np.corrcoef(parts.y.ravel(), other.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(parts.y.ravel(), y.ravel())[0, 1]) > 0.95
    share = r2r._share(128, 128)
    np.testing.assert_allclose(np.var(parts.y), s2 / (1 - share), rtol=0.03)
    np.testing.assert_allclose((np.std(other) / np.mean(other)) ** 2, s2 / 0.16 / share, rtol=0.05)


def test_margins_repeat_the_copy_that_is_fitted():
    problem, parts, _ = parts_of("r2r", PICTURE, NOISE, stride=32)
    y = parts.y
    assert y.shape == (64, 64, 3)
    np.testing.assert_array_equal(y, y.reshape(-1, 3)[problem.mirror])
    np.testing.assert_array_equal(problem.y.reshape(-1, 3)[problem.mirror], problem.y)


def test_large_pictures_are_split_less():
    shares = [r2r._share(size, size) for size in (16, 128, 256, 512)]
    np.testing.assert_allclose(shares, [0.1, 0.03, 0.015, 0.0075])
    assert r2r._share(64, 256) == r2r._share(128, 128)
    y = np.full((256, 256, 1), 0.5, np.float32)
    parts = parts_of("r2r", y, NOISE).split
    added = np.std(parts.y) / (SIGMA / 255)  # w, scaled: share / (1 - share) of its power
    assert added**2 == pytest.approx(0.015 / 0.985, rel=0.03)


def test_auto_is_the_first_rule_that_suits():
    chosen = {}
    for task in TASKS:
        preset = find_preset("fast", task)
        assert preset.stop == AUTO == "auto"
        chosen[task] = choose_rule(preset.stop, preset.task, None, 10**4).name
        assert choose_rule(preset.stop, preset.task, None, 1023).name == "none"
    assert chosen == {
        "denoise": "held_out",
        "reconstruct": "none",
        "inpaint": "held_out",
        "super_resolve": "none",
        "deblur": "held_out",
    }
    own = ("fast", "best", "quick", "sure")  # the others are the paper's
    assert {preset.stop for preset in PRESETS if preset.name not in own} == {"none"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "hide", "waits"), [("inpaint", 0.2, 12), ("inpaint", 0.0, 3), ("denoise", 0.2, 3)]
)
def test_who_fills_single_pixels_waits_longer(task, hide, waits, monkeypatch):
    """Its held-out error stands still and falls again; hidden pixels keep it from overfitting."""
    for method in (Method, BlindSpot):  # with 6 % of the patience
        patience = method.patience.fget

        def less(self, patience=patience):
            return {"patience": 0.0, "at_least": round(0.06 * patience(self)["at_least"])}

        monkeypatch.setattr(method, "patience", property(less))
    mask = KNOWN if task == "inpaint" else None
    # Of single outputs, one is soon the best for some steps.
    options = {"task": task, "hide": hide, "stop": "held_out", "average_decay": 0.0}
    result = restore(PICTURE, mask=mask, steps=300, progress=False, **options)
    steps, chosen = len(result.trace["chosen"]), int(result.trace["chosen"][-1])
    assert steps - chosen == waits
    assert chosen > 0
    assert steps < 300
    assert result.preset.stop == "held_out"
    assert np.isfinite(result.image).all()
    assert result.image.std() > 0


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


@pytest.mark.slow
def test_rules_that_lack_noise_or_pixels_say_so():
    with pytest.raises(UserError, match=r"stop=r2r: needs noise"):
        restore(np.full((40, 40, 3), 0.5, np.float32), stop="r2r")
    with pytest.raises(UserError, match=r"stop=held_out: needs at least 1024 known pixels"):
        restore(noisy(20), stop="held_out")


@pytest.mark.slow
def test_the_command_reports_the_choice(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Method, "patience", {"patience": 0.0, "at_least": 5})
    single = [preset.replace(average_decay=0.0) for preset in presets.PRESETS]
    monkeypatch.setattr(presets, "PRESETS", tuple(single))
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
    assert 300 > record["steps"] == len(rows) >= chosen > 0
    assert read_picture(tmp_path / "out" / "restored.png").image.std() > 0
    assert int(float(rows[-1]["chosen"])) == chosen
    smooth = np.array([float(row["validation"]) for row in rows])
    assert np.argmin(smooth) + 1 == pytest.approx(chosen, abs=15)
    assert command.main(["--task=reconstruct", "--stop=held_out", *flags]) == 2
    assert "--stop=held_out: does not suit reconstruct" in capsys.readouterr().err


def test_every_task_has_its_rules():
    assert SUITABLE.keys() == TASKS.keys()
    for task, names in SUITABLE.items():
        spec = find_preset("fast", task).task
        fixed, fed = set(names) - {"held_out_blocks"}, set(names) - {"discrepancy"}
        for feeds, fitting in ((False, fixed), (True, fed)):
            suitable = {name for name, r in RULES.items() if r.suits(spec, feeds_picture=feeds)}
            assert suitable == {*fitting}
    assert {rule for rules in SUITABLE.values() for rule in rules} == RULES.keys()
    assert [rule.name for rule in RULES.values()] == [*RULES]
