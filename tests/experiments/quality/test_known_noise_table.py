"""The table of known noises: what is added, and what is said of it."""

import numpy as np
import pytest
import skimage.data

from dip_jax.noise import measure_noise
from experiments.quality import known_noise_table
from experiments.quality.known_noise_table import (
    NOISES,
    Finding,
    correlate_kernel,
    correlate_neighbours,
    summarise,
)

GREY = np.full((128, 128, 3), 0.5)


@pytest.mark.parametrize(
    ("label", "level", "correlation"),
    [
        ("white 15", 15, 0),
        ("Gaussian-filtered 1.5, 15", 15, 0.89),
        ("demosaicked 15", 11, 0.6),
        ("columns 12", 12, 0.5),
    ],
)
def test_noises_are_what_they_are_called(label, level, correlation):
    noise = NOISES[label].add(GREY, np.random.default_rng(0)) - GREY
    assert 255 * noise.std() == pytest.approx(level, rel=0.1)
    assert correlate_neighbours(noise) == pytest.approx(correlation, abs=0.06)


def test_salt_and_pepper_has_its_share():
    noisy = NOISES["salt and pepper 10 %"].add(GREY, np.random.default_rng(0))
    assert (noisy == 0).all(axis=2).mean() == pytest.approx(0.05, abs=0.01)
    assert (noisy == 1).all(axis=2).mean() == pytest.approx(0.05, abs=0.01)
    assert ((noisy == 0.5).all(axis=2) | (noisy != 0.5).all(axis=2)).all()


def test_the_correlation_of_a_filter_is_that_of_its_noise():
    noisy = NOISES["Gaussian-filtered 0.7, 10"].add(GREY, np.random.default_rng(0))
    model = measure_noise(noisy)
    wanted = correlate_neighbours(noisy - GREY)
    assert correlate_kernel(model.kernel) == pytest.approx(wanted, abs=0.1)


def test_summary():
    found = [
        Finding("white", 10.0, 10.0, 0.0, 0.0),
        Finding("correlated", 12.0, 10.0, 0.3, 0.0),
    ]
    assert summarise(NOISES["white 15"], found) == [
        "1 of 2",
        "10 %",
        "1 of 2",
        "0.15",
        "1 of 2",
    ]
    assert summarise(NOISES["none"], found) == ["0 of 2", "-", "-", "-", "-"]


@pytest.mark.slow
def test_a_line_for_each_noise(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(known_noise_table, "TEXTURED", ("brick", "immunohistochemistry"))
    monkeypatch.setattr(known_noise_table, "SIDE", 128)
    flags = ["--pictures=coffee", "--noises=none,white 15", f"--out={tmp_path}"]
    assert known_noise_table.main(flags) == 0
    text = (tmp_path / "known_noise_table.md").read_text()
    assert text in capsys.readouterr().out
    assert "| white 15 | 1 of 1 |" in text
    assert "| none | 1 of 1 |" in text
    for name in known_noise_table.TEXTURED:
        assert f"| {name} | 5 of 5 | - |" in text


def test_textured_pictures_are_bundled():
    assert all(hasattr(skimage.data, name) for name in known_noise_table.TEXTURED)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--noises=fog", "--noises=fog: is unknown; there are none;"),
        ("--pictures=lena", "--pictures=lena: is in no folder set9 of --data"),
    ],
)
def test_refusals(flag, words, capsys):
    assert known_noise_table.main([flag]) == 2
    assert words in capsys.readouterr().err
