"""The super-resolution table: its protocol, its refusals, one preset end to end."""

import numpy as np
import pytest

from dip_jax.app.files import read_picture, write_picture
from dip_jax.app.recipe.degrade import enlarge
from dip_jax.metrics import psnr_8_bit
from experiments.quality import super_resolution_table
from tests.experiments.quality.common import read_rows


@pytest.fixture
def data(tmp_path):
    """A coloured and a grey picture under the names of standard ones."""
    (tmp_path / "Set5").mkdir()
    y, x = np.mgrid[0:70, 0:101]
    for name, channels in (("baby", 3), ("head", 1)):
        planes = [0.2 + 0.5 * x / 101 + 0.2 * (y > 9) + 0.02 * c for c in range(channels)]
        write_picture(tmp_path / "Set5" / f"{name}.png", np.stack(planes, axis=2))
    return tmp_path


def rows(data):
    return read_rows(data / "out", "super_resolution_table")


def run(data, *flags):
    return super_resolution_table.main([f"--data={data}", f"--out={data / 'out'}", *flags])


def test_the_truth_is_cut_and_shrunk_as_the_paper_does(data):
    baby, head = (read_picture(str(data / "Set5" / f"{n}.png")).image for n in ("baby", "head"))
    truth, small = super_resolution_table.make_pair(baby, 0, "baby")
    assert truth.shape == (64, 96, 3)
    assert small.shape == (16, 24, 3)
    np.testing.assert_allclose(255 * small, np.round(255 * small), atol=1e-4)
    assert psnr_8_bit(enlarge(small, 4), truth) > 25
    grey, _ = super_resolution_table.make_pair(head, 32, "head")
    assert grey.shape == (32, 32, 3)


@pytest.mark.slow
def test_super_resolution_end_to_end(data, quick_presets, capsys):
    assert run(data, "--pictures=baby,head", "--methods=bicubic") == 0
    out = capsys.readouterr().out
    assert "| authors' | 31.49 | 31.04 | 31.27 | - |" in out
    assert run(data, "--pictures=baby", "--methods=bicubic,fast:none", "--seeds=1") == 0
    found = rows(data)
    assert [row["method"] for row in found] == ["bicubic"] * 2 + ["fast:none"]
    assert all(float(row["psnr_luma"]) > 10 for row in found)


def test_how_far_a_method_is_ahead(tmp_path, monkeypatch, capsys):
    def compute(load, folder, name, size, method, seed):
        # As it is, bicubic interpolation is the better one on grass.
        raw = 31 if (method, name) == ("bicubic", "grass") else 20
        agreed = {"bicubic": 30, "fast": 30.5}[method]
        return {"psnr_luma": str(agreed), "psnr_luma_raw": str(raw), "seconds": "1"}

    monkeypatch.setattr(super_resolution_table, "_compute_row", compute)
    assert run(tmp_path, "--set=scikit-image", "--size=32", "--pictures=brick,grass") == 0
    table = capsys.readouterr().out.split("Ahead of bicubic")[1]
    assert "| fast | 0.50 | -0.50 | 0.00 | -0.50 |" in table
    assert run(tmp_path, "--set=scikit-image", "--pictures=kodim01") == 2
    assert "--pictures=kodim01: is unknown; there are astronaut, brick" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--methods=half"], "--methods=half: is a preset for the task"),
        (["--size=33"], "--size=33: must be a multiple of 32"),
        (["--set=Set9"], "Set9"),
    ],
)
def test_mistakes_are_one_line(flags, words, data, capsys):
    assert run(data, *flags) == 2
    assert words in capsys.readouterr().err
