"""The tables of inpainting and super-resolution: protocols, refusals, one preset each."""

import csv

import numpy as np
import pytest

from dip_jax.app.degrade import enlarge
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import write_picture
from dip_jax.app.results import psnr_8_bit
from experiments import inpainting_table, super_resolution_table
from experiments.tables import centre


def smooth(height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.2 + 0.5 * x / width + 0.2 * (y > 9) + 0.02 * c for c in range(channels)]
    return np.stack(planes, axis=2)


@pytest.fixture
def data(tmp_path):
    for folder in ("gray11", "gray11_masked50", "Set5"):
        (tmp_path / folder).mkdir()
    truth = smooth(40, 44, 1)
    known = np.random.default_rng(0).random(truth.shape) < 0.5
    write_picture(tmp_path / "gray11" / "house.png", truth)
    write_picture(tmp_path / "gray11_masked50" / "house_masked.png", truth * known)
    write_picture(tmp_path / "Set5" / "baby.png", smooth(70, 101, 3))
    write_picture(tmp_path / "Set5" / "head.png", smooth(70, 101, 1))
    return tmp_path


def rows(data, name):
    with (data / "out" / f"{name}_rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def run(module, data, *flags):
    return module.main([f"--data={data}", f"--out={data / 'out'}", *flags])


def test_the_mask_is_what_the_masked_file_leaves(data):
    truth, known = inpainting_table.picture_and_mask(data, "house", 0)
    assert truth.shape == known.shape == (40, 44, 1)
    assert 0.4 < known.mean() < 0.6
    cut, mask = inpainting_table.picture_and_mask(data, "house", 32)
    np.testing.assert_array_equal(cut, truth[4:36, 6:38])
    np.testing.assert_array_equal(mask, known[4:36, 6:38])


def test_inpainting_end_to_end(data, small_presets, capsys):
    flags = ("--pictures=house", "--methods=nearest,biharmonic,fast", "--size=32")
    assert run(inpainting_table, data, *flags) == 0
    out = capsys.readouterr().out
    assert "authors'" not in out  # theirs are of whole pictures
    nearest, biharmonic, fast = rows(data, "inpainting_table")
    assert float(biharmonic["psnr"]) > float(nearest["psnr"]) > 20
    assert fast["rule"] == "none"  # too few pixels to hold some out
    assert float(fast["psnr"]) > float(fast["psnr_raw"])
    truth, known = inpainting_table.picture_and_mask(data, "house", 32)
    image = inpainting_table.interpolate("nearest", truth * known, known)
    assert np.array_equal(np.where(known, image, 0), truth * known)
    assert float(nearest["psnr"]) == pytest.approx(psnr_8_bit(image, truth), abs=1e-3)


def test_published_numbers_of_whole_pictures(data, capsys):
    assert run(inpainting_table, data, "--pictures=house", "--methods=nearest", "--size=0") == 0
    out = capsys.readouterr().out
    assert "| authors' | 39.16 | 39.16 | - |" in out
    assert "| authors' | 39.29 | 39.29 | - |" in out


def test_the_truth_is_cut_and_shrunk_as_the_paper_does(data):
    truth, small = super_resolution_table.large_and_small(data, "Set5", "baby", 0)
    assert truth.shape == (64, 96, 3)
    assert small.shape == (16, 24, 3)
    np.testing.assert_allclose(255 * small, np.round(255 * small), atol=1e-4)
    assert psnr_8_bit(enlarge(small, 4), truth) > 25
    grey, _ = super_resolution_table.large_and_small(data, "Set5", "head", 32)
    assert grey.shape == (32, 32, 3)


def test_super_resolution_end_to_end(data, small_presets, capsys):
    flags = ("--pictures=baby,head", "--methods=bicubic,fast:none", "--seeds=1")
    assert run(super_resolution_table, data, *flags) == 0
    out = capsys.readouterr().out
    assert "| authors' | 31.49 | 31.04 | 31.27 | - |" in out
    found = rows(data, "super_resolution_table")
    assert [row["method"] for row in found] == ["bicubic"] * 2 + ["fast:none"] * 2
    assert all(float(row["psnr_luma"]) > 10 for row in found)


@pytest.mark.parametrize(
    ("module", "flags", "words"),
    [
        (inpainting_table, ["--methods=fast:r2r"], "stop=r2r: does not suit inpaint"),
        (inpainting_table, ["--pictures=barbara"], "--pictures=barbara: is not in"),
        (inpainting_table, ["--pictures=house", "--size=99"], "--size=99: house is only 44x40"),
        (super_resolution_table, ["--methods=half"], "--methods=half: is a preset for the task"),
        (super_resolution_table, ["--size=33"], "--size=33: must be a multiple of 32"),
        (super_resolution_table, ["--set=Set9"], "Set9"),
    ],
)
def test_mistakes_are_one_line(module, flags, words, data, capsys):
    assert run(module, data, *flags) == 2
    assert words in capsys.readouterr().err


def test_centre_is_in_the_middle():
    picture = np.arange(6 * 8 * 1).reshape(6, 8, 1)
    np.testing.assert_array_equal(centre(picture, 4, "p"), picture[1:5, 2:6])
    with pytest.raises(UserError, match="8x6"):
        centre(picture, 7, "p")
    assert centre(picture, 0, "p") is picture
