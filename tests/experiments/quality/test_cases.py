"""The sheet of strong and weak cases: which it shows, and what it refuses."""

import numpy as np
import pytest

from dip_jax.app.files import read_picture
from experiments.pictures import load_picture
from experiments.quality import cases

SIZE = 32


@pytest.fixture
def denoised(monkeypatch):
    """Ours errs by 8 levels, the baseline by 4, on grass, which is grey, by 16."""

    def denoise(method, y, sigma, seed, reference):
        error = 8 if method == "fast" else 4 if reference.shape[2] == 3 else 16
        return np.clip(reference + error / 255 * np.where(reference > 0.5, -1, 1), 0, 1), {}

    monkeypatch.setattr(cases, "denoise", denoise)
    monkeypatch.setattr(cases, "check_method", lambda *_: None)


def test_the_sheet_shows_the_first_and_the_last_of_the_table(denoised, tmp_path, capsys):
    flags = ["--pictures=astronaut,coffee,grass", f"--size={SIZE}", "--backend=cpu"]
    assert cases.main([*flags, f"--out={tmp_path}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " dB" not in line]
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["grass", "astronaut", "coffee"]
    assert [row[4] for row in rows] == ["+6.02", "-6.02", "-6.02"]
    assert float(rows[0][2]) == pytest.approx(20 * np.log10(255 / 8), abs=0.01)
    image = read_picture(str(tmp_path / "cases.png")).image
    one = cases.draw_sheet(*[_case(name) for name in ("grass", "coffee")], "fast")
    assert image.shape == one.shape
    # Of the upper row's first panel: grey, as grass is; of the lower, coloured.
    upper, lower = np.split(image, 2)
    assert np.ptp(upper, axis=2).max() == 0
    assert np.ptp(lower, axis=2).max() > 0.05


def _case(name):
    clean = load_picture(name, SIZE)
    return cases.make_case(name, clean, 25, "fast", 0)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--pictures=coffee", "two or more"),
        ("--pictures=coffee,lena", "--pictures=lena: is unknown; there are astronaut"),
        ("--size=2000", "--size=2000"),
        ("--preset=fats", "--preset=fats"),
    ],
)
def test_mistakes_are_one_line(flag, words, capsys):
    assert cases.main([flag]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
