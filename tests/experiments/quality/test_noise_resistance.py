"""The experiment end to end at a tiny size, its resumption and its refusals."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

import dip_jax
from dip_jax.app.recipe import degrade
from experiments.quality import noise_resistance
from experiments.quality import noise_resistance_report as report

# One size for all tests that fit: compile time is most of their cost.
TINY = ("--size=32", "--width=8", "--scales=1", "--steps=40")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run's folder and the number of times that its network was traced."""
    traces = []
    original = dip_jax.Skip.apply

    def counting(self, params, z):
        traces.append(z.shape)
        return original(self, params, z)

    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dip_jax.Skip, "apply", counting)
        assert noise_resistance.main([*TINY, f"--out={folder}"]) == 0
    return folder, len(traces)


def _rows(folder):
    with (folder / "noise_resistance.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_writes_every_curve_and_the_pictures(finished):
    folder, _ = finished
    rows = _rows(folder)
    assert list(rows[0]) == ["target", "seed", "step", "loss", "psnr"]
    for name in report.LABELS:
        own = [row for row in rows if row["target"] == name]
        assert [int(row["step"]) for row in own] == list(range(41))
        for row in own:
            psnr = -10 * np.log10(float(row["loss"]))
            assert float(row["psnr"]) == pytest.approx(psnr, abs=1e-3)
    for name in ("noise_resistance.png", "noise_resistance_fits.jpg"):
        with Image.open(folder / name) as picture:
            assert picture.width > 600
    assert not list(folder.rglob(".*"))  # nothing half-written stays


@pytest.mark.slow
def test_one_program_serves_all_four_targets(finished):
    # Once for the step and once for the estimate, however many targets there are.
    assert finished[1] == 2


@pytest.mark.slow
def test_natural_picture_is_fitted_far_better_than_noise(finished):
    final = {r["target"]: float(r["loss"]) for r in _rows(finished[0]) if r["step"] == "40"}
    assert final["natural"] < final["noisy"]
    assert final["natural"] < 0.6 * final["shuffled"]
    assert final["natural"] < 0.6 * final["noise"]


def test_only_missing_curves_are_computed(finished, monkeypatch):
    folder, _ = finished
    before = _rows(folder)
    (folder / "curves" / "shuffled-0.npz").unlink()
    (folder / "curves" / "noise-0.npz").write_bytes(b"cut short")
    fits = []
    original = noise_resistance._fit

    def counting(*args, label, **options):
        fits.append(label)
        return original(*args, label=label, **options)

    monkeypatch.setattr(noise_resistance, "_fit", counting)
    assert noise_resistance.main([*TINY, f"--out={folder}"]) == 0
    assert fits == ["shuffled, seed 0", "noise, seed 0"]
    for old, new in zip(before, _rows(folder), strict=True):
        assert float(new["loss"]) == pytest.approx(float(old["loss"]), rel=1e-3)


def test_an_interrupt_keeps_finished_curves(tmp_path, monkeypatch, capsys):
    def fit(algorithm, target, *, label, seed, steps, every):
        if label.startswith("noisy"):
            raise KeyboardInterrupt
        return {"loss": np.ones(steps + 1), "fit": target}

    monkeypatch.setattr(noise_resistance, "_fit", fit)
    assert noise_resistance.main([*TINY, f"--out={tmp_path}"]) == 130
    assert [path.name for path in (tmp_path / "curves").iterdir()] == ["natural-0.npz"]
    assert "are kept" in capsys.readouterr().err


def test_other_settings_are_refused_unless_overwritten(tmp_path, monkeypatch, capsys):
    def fit(algorithm, target, *, label, seed, steps, every):
        return {"loss": np.full(steps + 1, 0.5), "fit": target * 0.9}

    monkeypatch.setattr(noise_resistance, "_fit", fit)
    assert noise_resistance.main([*TINY, f"--out={tmp_path}"]) == 0
    other = [*TINY, "--steps=41", f"--out={tmp_path}"]
    capsys.readouterr()
    assert noise_resistance.main(other) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "steps 40 there, 41 here" in error
    assert noise_resistance.main([*other, "--overwrite", "--seeds=2"]) == 0
    assert json.loads((tmp_path / "settings.json").read_text())["steps"] == 41
    assert len(list((tmp_path / "curves").iterdir())) == 8


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--size=100", "multiple of 32"),
        ("--size=32", "at least 64"),
        ("--size=1024", "only 512x512"),
        ("--steps=3", "at least 4"),
        ("--width=0", "at least 1"),
        ("--scales=0", "at least 1"),
        ("--seeds=0", "at least 1"),
        ("--every=0", "at least 1"),
        ("--sigma=0", "above 0"),
        ("--sigma=nan", "above 0"),
        ("--steps=many", "--steps"),
        ("--no_such_flag", "no_such_flag"),
        ("picture.png", "is not a flag"),
        ("--image=no_such.png", "does not exist"),
    ],
)
def test_bad_flags_are_one_line(flag, words, tmp_path, capsys):
    out = tmp_path / "out"
    assert noise_resistance.main([f"--out={out}", flag]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert not out.exists()


def test_missing_matplotlib_is_reported_before_the_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(noise_resistance, "_fit", None)
    assert noise_resistance.main([*TINY, f"--out={tmp_path}"]) == 2
    assert "pip install '.[plot]'" in capsys.readouterr().err


def test_targets():
    picture = degrade.demonstration_picture()[:32, :48]
    targets = noise_resistance.make_targets(picture, 25.0, seed=3)
    again = noise_resistance.make_targets(picture, 25.0, seed=3)
    for name, target in targets.items():
        assert target.dtype == np.float32
        assert target.shape == picture.shape
        np.testing.assert_array_equal(target, again[name])
    # Whole pixels move: the same colours, in another order.
    colours = [
        np.unique(t.reshape(-1, 3), axis=0, return_counts=True)
        for t in (picture, targets["shuffled"])
    ]
    np.testing.assert_array_equal(colours[0][0], colours[1][0])
    np.testing.assert_array_equal(colours[0][1], colours[1][1])
    assert np.mean(targets["shuffled"] == picture) < 0.1
    assert 20 / 255 < np.std(targets["noisy"] - picture) < 26 / 255
    assert targets["noise"].std() == pytest.approx(12**-0.5, rel=0.05)
