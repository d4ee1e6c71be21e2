"""The table of found kernels: its kernels, its scores, its rows."""

import numpy as np
import pytest

from experiments.quality import blind_deblurring_table as table
from experiments.quality import deblurring_table
from tests.experiments.quality.common import read_rows


@pytest.fixture
def picture(monkeypatch):
    rng = np.random.default_rng(0)
    whole = np.full((60, 70, 1), 0.5, np.float32)
    for top, left in rng.integers(0, 55, (30, 2)):
        whole[top : top + 9, left : left + 12] = rng.random()
    monkeypatch.setattr(deblurring_table, "load_picture", lambda name, size: whole)
    monkeypatch.setattr(table, "SIZES", (7, 9))
    table._find_kernel.cache_clear()


@pytest.mark.parametrize(("number", "size"), enumerate(table.SIZES))
def test_a_shake_fills_its_size(number, size):
    kernel = table.draw_shake(size, number)
    assert kernel.shape == (size, size)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    longest = max(np.ptp(np.flatnonzero(kernel.any(axis=axis))) + 1 for axis in (0, 1))
    assert size - 2 <= longest <= size
    np.testing.assert_array_equal(kernel, table.draw_shake(size, number))
    assert np.any(kernel != table.draw_shake(size, number + 1))


def test_kernels_are_compared_over_shifts():
    kernel = table.draw_shake(9, 0)
    assert table.compare_kernels(np.pad(kernel, ((0, 4), (3, 0))), 5 * kernel) == pytest.approx(1)
    assert table.compare_kernels(kernel[::-1], kernel) < 0.95


def test_psnr_is_that_of_the_best_shift():
    truth = np.random.default_rng(0).random((40, 44, 3))
    moved = np.roll(truth, (3, -2), (0, 1)) + 0.1
    assert table.psnr_over_shifts(moved, truth, 4) == pytest.approx(20)
    assert table.psnr_over_shifts(moved, truth, 1) < 12


@pytest.mark.slow
def test_rows_and_tables(picture, tiny_presets, tmp_path):
    flags = ["--pictures=coins", "--size=40", "--kernels=1", f"--out={tmp_path}"]
    assert table.main([*flags, "--methods=richardson_lucy_30,fast,true_fast"]) == 0
    rows = read_rows(tmp_path, table.NAME)
    methods = ["kernel", "blurred", "richardson_lucy_30", "fast", "true_fast"]
    assert [row["method"] for row in rows] == methods
    assert 0 < float(rows[0]["similarity"]) <= 1
    assert rows[3]["psnr"] != rows[4]["psnr"]
    text = (tmp_path / f"{table.NAME}.md").read_text(encoding="utf-8")
    assert "similarity of the kernels" in text
    assert "seed 1, 9x9" in text


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--kernels=9", "--kernels=9: must be numbers from 0 to 1"),
        ("--pictures=lena", "--pictures=lena: is unknown"),
        ("--methods=true_fsat", "--methods=fsat: is unknown"),
    ],
)
def test_refusals(picture, flag, words, capsys, tmp_path):
    assert table.main([flag, f"--out={tmp_path / 'out'}"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
