"""The table of estimated noise levels: its figures, end to end, and its refusals."""

import numpy as np
import pytest

from dip_jax.app.files import write_picture
from experiments.quality import noise_level_table
from experiments.quality.noise_level_table import summarise

NAME = "kodim03"


@pytest.fixture
def data(tmp_path):
    y, x = np.mgrid[0:72, 0:80] / 80
    (tmp_path / "set9").mkdir()
    write_picture(tmp_path / "set9" / f"{NAME}.png", np.stack([x, y, 0.5 * x], axis=2))
    return tmp_path


def test_the_error_is_of_each_level():
    assert summarise(10.0, [9.0, 12.0]) == ["9.0", "12.0", "10.5", "15.8 %"]


@pytest.mark.slow
def test_a_line_for_each_noise_size_and_estimate(data, capsys):
    flags = [f"--data={data}", f"--pictures={NAME}", "--sizes=64,0", "--noises=15,poisson5"]
    assert noise_level_table.main([*flags, f"--out={data / 'out'}"]) == 0
    text = (data / "out" / "noise_level_table.md").read_text()
    assert text in capsys.readouterr().out
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    lines = [[cell.strip("| ") for cell in line] for line in lines if "---" not in line[0]]
    found = [(line[0], line[1]) for line in lines if line[0] != "added"]
    of_one_size = [("15", "dip_jax"), ("15", "scikit-image"), ("poisson5", "dip_jax")]
    assert found == 2 * of_one_size
    for line in lines:
        if line[1] == "dip_jax":
            assert float(line[2]) == pytest.approx({"15": 15, "poisson5": 5}[line[0]], rel=0.15)
            assert line[3] == line[2]  # the mean of one


def test_refusals(data, capsys):
    common = [f"--data={data}", f"--pictures={NAME}"]
    for flags, words in (
        ([*common, "--sizes=99"], "--size=99: kodim03 is only 80x72"),
        ([*common, "--noises=fog"], "--noises=fog: is not a noise"),
        ([f"--data={data}", "--pictures=moon"], "--pictures=moon: is not in"),
    ):
        assert noise_level_table.main(flags) == 2
        assert words in capsys.readouterr().err
