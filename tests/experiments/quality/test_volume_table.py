"""The table of volumes: what is filled, by whom, and refusals."""

import numpy as np
import pytest

from experiments.quality import volume_table
from tests.experiments.quality.common import read_rows


def test_the_volume_has_edges_and_a_range():
    volume = volume_table.make_volume(16)
    assert volume.shape == (16, 16, 16, 1)
    assert volume.min() == 0
    assert 0.6 < volume.max() <= 1
    assert volume[0].max() < 0.2 < volume[8].max()


@pytest.mark.parametrize("order", [1, 2])
def test_interpolation_continues_a_slope(order):
    slope = np.linspace(0, 1, 16)[:, None, None] * np.ones((16, 16, 16))
    known = np.random.default_rng(0).random(slope.shape) < 0.7
    known[[0, -1]] = True
    filled = volume_table._interpolate(np.where(known, slope, 0), known, order)
    np.testing.assert_array_equal(filled[known], slope[known])
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(filled[inner], slope[inner], atol=0.02)


@pytest.mark.slow
def test_each_method_gets_a_row(tmp_path):
    flags = ["--size=16", "--steps=3", f"--out={tmp_path}"]
    assert volume_table.main([*flags, "--methods=harmonic,biharmonic,deep_decoder"]) == 0
    rows = {row["method"]: row for row in read_rows(tmp_path, "volume_table")}
    assert list(rows) == ["harmonic", "biharmonic", "deep_decoder"]
    assert float(rows["harmonic"]["psnr"]) > 18
    assert rows["deep_decoder"]["steps"] == "3"
    assert (tmp_path / "volume_table.md").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--methods=cubic", "--methods=cubic: must be of harmonic, biharmonic, ours"),
        ("--size=20", "--size=20: must be a multiple of 8"),
    ],
)
def test_refusals(flag, words, capsys, tmp_path):
    assert volume_table.main([flag, f"--out={tmp_path / 'out'}"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
