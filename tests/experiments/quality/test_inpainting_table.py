"""The inpainting table: its protocol, its refusals, one preset end to end."""

import numpy as np
import pytest

from dip_jax.app.files import write_picture
from dip_jax.metrics import psnr_8_bit
from experiments.quality import inpainting_table
from tests.experiments.quality.common import read_rows


@pytest.fixture
def data(tmp_path):
    """A picture under the name of a standard one, and its masked file."""
    for folder in ("gray11", "gray11_masked50"):
        (tmp_path / folder).mkdir()
    y, x = np.mgrid[0:40, 0:44]
    truth = (0.2 + 0.5 * x / 44 + 0.2 * (y > 9))[:, :, None]
    known = np.random.default_rng(0).random(truth.shape) < 0.5
    write_picture(tmp_path / "gray11" / "house.png", truth)
    write_picture(tmp_path / "gray11_masked50" / "house_masked.png", truth * known)
    return tmp_path


def rows(data):
    return read_rows(data / "out", "inpainting_table")


def run(data, *flags):
    return inpainting_table.main([f"--data={data}", f"--out={data / 'out'}", *flags])


def test_the_mask_is_what_the_masked_file_leaves(data):
    truth, known = inpainting_table.load_picture_and_mask(data, "house", 0)
    assert truth.shape == known.shape == (40, 44, 1)
    assert 0.4 < known.mean() < 0.6
    cut, mask = inpainting_table.load_picture_and_mask(data, "house", 32)
    np.testing.assert_array_equal(cut, truth[4:36, 6:38])
    np.testing.assert_array_equal(mask, known[4:36, 6:38])


def test_other_shares_are_drawn(data, capsys):
    flags = ("--pictures=house", "--methods=nearest", "--size=32", "--missing=50,90")
    assert run(data, *flags) == 0
    half, most = rows(data)
    assert [half["picture"], most["picture"]] == ["house", "house 90 %"]
    assert float(most["psnr"]) < float(half["psnr"])
    truth, known = inpainting_table.load_picture_and_mask(data, "house 90 %", 32)
    assert truth.shape == known.shape == (32, 32, 1)
    assert 0.05 < known.mean() < 0.15
    assert run(data, "--pictures=house", "--missing=100") == 2
    assert "--missing=100: must be at most 99" in capsys.readouterr().err


@pytest.mark.slow
def test_inpainting_end_to_end(data, quick_presets, capsys):
    flags = ("--pictures=house", "--methods=nearest,biharmonic,fast", "--size=32")
    assert run(data, *flags) == 0
    out = capsys.readouterr().out
    assert "authors'" not in out  # theirs are of whole pictures
    nearest, biharmonic, fast = rows(data)
    assert float(biharmonic["psnr"]) > float(nearest["psnr"]) > 20
    assert fast["rule"] == "none"  # too few pixels to hold some out
    assert float(fast["psnr"]) > float(fast["psnr_raw"])
    truth, known = inpainting_table.load_picture_and_mask(data, "house", 32)
    image = inpainting_table.interpolate("nearest", truth * known, known)
    assert np.array_equal(np.where(known, image, 0), truth * known)
    assert float(nearest["psnr"]) == pytest.approx(psnr_8_bit(image, truth), abs=1e-3)


def test_published_numbers_of_whole_pictures(data, capsys):
    assert run(data, "--pictures=house", "--methods=nearest", "--size=0") == 0
    out = capsys.readouterr().out
    assert "| authors' | 39.16 | 39.16 | - |" in out
    assert "| authors' | 39.29 | 39.29 | - |" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--methods=fast:r2r"], "stop=r2r: does not suit inpaint"),
        (["--pictures=barbara"], "--pictures=barbara: is not in"),
        (["--pictures=house", "--size=99"], "--size=99: house is only 44x40"),
    ],
)
def test_mistakes_are_one_line(flags, words, data, capsys):
    assert run(data, *flags) == 2
    assert words in capsys.readouterr().err
