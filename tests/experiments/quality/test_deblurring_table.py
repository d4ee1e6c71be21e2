"""The deblurring table: its protocol, its refusals, a preset and the classical methods."""

import numpy as np
import pytest

from dip_jax.metrics import psnr_8_bit
from experiments.quality import deblurring_table
from tests.experiments.quality.common import read_rows


@pytest.fixture
def picture(monkeypatch):
    rows, columns = np.mgrid[0:90, 0:101]
    plane = 0.2 + 0.5 * columns / 101 + 0.2 * (rows // 8 % 2)
    whole = np.stack([plane] * 3, axis=2).astype(np.float32)
    monkeypatch.setattr(deblurring_table, "load_picture", lambda name, size: whole)


def test_the_whole_is_blurred_and_then_cropped(picture):
    truth, blurred = deblurring_table.load_pair("coffee", "box:9", 0, 32)
    assert truth.shape == blurred.shape == (32, 32, 3)
    np.testing.assert_allclose(255 * blurred, np.round(255 * blurred), atol=1e-4)
    column = blurred[:, 16, 0]
    # Rows 29 to 61 are shown; means of nine see four more on either side.
    mean = np.convolve(np.arange(25, 65) // 8 % 2, np.ones(9) / 9, mode="valid")
    ramp = truth[:, 16, 0] - 0.2 * (np.arange(29, 61) // 8 % 2)
    np.testing.assert_allclose(column, ramp + 0.2 * mean, atol=0.01)


def test_half_size_is_the_mean_of_four_pixels(picture):
    truth, _ = deblurring_table.load_pair("camera/2", "box:3", 0, 0)
    assert truth.shape == (45, 50, 3)


@pytest.mark.slow
def test_classical_methods_sharpen_and_the_best_candidate_counts(picture):
    scores = {
        method: float(
            deblurring_table._compute_row("gaussian:1.6", 1, "coffee", 48, method, 0)["psnr"]
        )
        for method in deblurring_table.CLASSICAL
    }
    assert scores["wiener"] > scores["blurred"] + 1
    assert scores["richardson_lucy"] >= scores["richardson_lucy_30"] > scores["blurred"] + 1
    truth, blurred = deblurring_table.load_pair("coffee", "gaussian:1.6", 1, 48)
    assert scores["blurred"] == pytest.approx(psnr_8_bit(blurred, truth), abs=1e-3)


@pytest.mark.slow
def test_a_preset_gets_a_row(picture, quick_presets, tmp_path):
    flags = ["--pictures=coffee", "--kernels=box:3", "--size=32", f"--out={tmp_path}"]
    assert deblurring_table.main([*flags, "--methods=fast"]) == 0
    rows = read_rows(tmp_path, "deblurring_table")
    assert [row["method"] for row in rows] == ["blurred", "fast"]
    assert (tmp_path / "deblurring_table.md").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--pictures=lena", "--pictures=lena: is unknown; there are camera, astronaut"),
        ("--kernels=box", "--kernels=box: takes one number behind the colon"),
        ("--methods=fsat", "--methods=fsat: is unknown"),
        ("--size=999", "--size=999: "),
    ],
)
def test_refusals(picture, flag, words, capsys, tmp_path):
    assert deblurring_table.main([flag, f"--out={tmp_path / 'out'}"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
