"""The pictures of the experiment, its command and its refusals."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from experiments.speed import large, process


@pytest.mark.parametrize("size", [(300, 400), (700, 900), (1600, 513)])
def test_a_picture_of_any_size_is_the_astronaut_mirrored(size):
    picture = large.make_picture(*size)
    assert picture.shape == (*size, 3)
    if min(size) > 512:
        np.testing.assert_array_equal(picture[511], picture[512])


def test_scratches_are_five_thin_lines():
    mask = large.make_scratches(600, 800)
    count = ndimage.label(mask == 0)[1]
    assert 1 <= count <= 5  # two may cross
    assert 5 * 100 * 5 * 0.5 < (mask == 0).sum() < 5 * 100 * 5 * 2
    thin = ndimage.distance_transform_edt(mask == 0)
    assert thin.max() <= 5


@pytest.mark.parametrize(("damage", "task"), [("noise", "denoise"), ("scratches", "inpaint")])
def test_a_row_is_one_run_of_the_command(damage, task, tmp_path, monkeypatch):
    calls = []

    def run_code(code, argv, out):
        calls.append(argv)
        return process.Finished(12.3, [10.0, 400, 2.5e9])

    monkeypatch.setattr(large, "run_code", run_code)
    row = large.measure(damage, 300, 400, "fast", "cpu", tmp_path)
    assert row == [damage, "400x300", "0.12", "12", "10", 400, "2.5"]
    assert f"--task={task}" in calls[0]
    assert "--resume" not in calls[0]
    with Image.open(tmp_path / f"{damage}-400x300-fast.png") as picture:
        assert picture.size == (400, 300)
    (tmp_path / f"{damage}-400x300-fast").mkdir()
    assert large.measure(damage, 300, 400, "fast", "cpu", tmp_path)[3] == "resumed"
    assert "--resume" in calls[1]


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--megapixels=many", "--megapixels=many: must be from 0.01 to 64"),
        ("--megapixels=65", "must be from 0.01 to 64"),
        ("--damage=blur", "--damage=blur: is unknown; there are noise, scratches"),
        ("--preset=none", "--preset=none"),
    ],
)
def test_bad_flags_are_one_line(flag, words, capsys):
    assert large.main([flag]) == 2
    assert words in capsys.readouterr().err
