"""What is filled, by every kind of mark: mask files, paint, boxes, transparency, no numbers."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.masks import Marks, find_mask, parse_boxes
from dip_jax.app.files.pictures import read_picture
from tests.app.files.common import RNG, SHAPE, photo, picture, read, saved, stroke


def test_masks_are_split_at_half_and_their_soft_rims_filled(tmp_path):
    grey = np.array([[0] * 4 + [127, 128] + [255] * 4] * 3, np.uint8)
    for pixels in (grey, np.stack([grey] * 3, -1), np.stack([grey] * 3 + [grey | 255], -1)):
        path = saved(tmp_path, pixels)
        mask, lines = read(path, (3, 10))
        assert mask.dtype == np.float32
        assert mask.shape == (3, 10, 1)
        np.testing.assert_array_equal(mask[:, :, 0], [[0] * 6 + [1] * 4] * 3)
        assert lines == [
            "filling 60 % of the picture: the black part of mask.png",
            f"--mask={path} has a soft rim: it is filled too",
        ]
        mask, lines = read(path, (3, 10), invert=True)
        np.testing.assert_array_equal(mask[:, :, 0], [[1] * 4 + [0] * 6] * 3)
        assert lines[0] == "filling 60 % of the picture: the white part of mask.png"


def test_broad_greys_are_cut_at_half(tmp_path):
    path = saved(tmp_path, np.array([np.arange(0, 260, 13)] * 12, np.uint8))
    mask, lines = read(path)
    np.testing.assert_array_equal(mask[0, :, 0], [0] * 10 + [1] * 10)
    assert "is grey in 60.0 % of its pixels: they are cut at half" in lines[1]


def test_colours_count_by_luma(tmp_path):
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    mask, _ = read(saved(tmp_path, pixels.repeat(12, 0).repeat(12, 1)), (12, 36))
    assert mask[0, 6::12, 0].tolist() == [0, 1, 0]


def test_npy_masks(tmp_path):
    path = tmp_path / "mask.npy"
    np.save(path, np.array([[True, False]]))
    mask, lines = read(path, (1, 2))
    np.testing.assert_array_equal(mask, [[[1], [0]]])
    assert len(lines) == 1
    np.save(path, (np.full((12, 20, 3), 0.5) * (np.arange(20) < 15)[:, None]))
    mask, _ = read(path)
    np.testing.assert_array_equal(mask[:, :, 0], [[1] * 15 + [0] * 5] * 12)


@pytest.mark.parametrize("name", ["mask.npy", "mask.png"])
def test_zeros_and_ones_need_no_white(name, tmp_path):
    ones, path = np.array([[1] * 4 + [0] * 6] * 3, np.uint8), tmp_path / name
    np.save(path, ones) if name == "mask.npy" else Image.fromarray(ones).save(path)
    mask, lines = read(path, (3, 10))
    np.testing.assert_array_equal(mask[:, :, 0], ones)
    assert lines[1:] == [f"--mask={path} is of zeros and ones: 1 is taken as white"]
    mask, _ = read(path, (3, 10), invert=True)
    np.testing.assert_array_equal(mask[:, :, 0], 1 - ones)


def test_bad_masks_are_refused(tmp_path):
    def message(pixels, **options):
        path = saved(tmp_path, pixels)
        with pytest.raises(UserError) as caught:
            read(path, **options)
        assert str(caught.value).startswith(f"--mask={path}: ")
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    told = message(np.zeros((20, 12), np.uint8) + np.arange(12, dtype=np.uint8) % 2 * 255)
    assert "is 12x20, but the picture is 20x12; give a mask of that size or shape" in told
    for value, invert, state in [
        (0, False, "leaves nothing known: here white is known"),
        (255, False, "leaves nothing to fill: here white is known"),
        (255, True, "leaves nothing known: here black is known"),
        (0, True, "leaves nothing to fill: here black is known"),
    ]:
        told = message(np.full(SHAPE, value, np.uint8), invert=invert)
        assert state in told
        assert "--invert_mask" in told
    yellow = np.full((*SHAPE, 3), 255, np.uint8)
    yellow[3:6, 3:6, 2] = 0
    assert "pass --mask_color=yellow" in message(yellow)
    with pytest.raises(UserError, match=r"^--mask=no\.png: does not exist"):
        read("no.png")


def test_a_mask_that_may_be_the_other_way_round_is_told(tmp_path):
    pixels = np.zeros((50, 50), np.uint8)
    pixels[20:35, 10:30] = 255
    path = saved(tmp_path, pixels)
    lines = read(path, (50, 50))[1]
    assert lines[1] == (
        f"--mask={path} has 88.0 % of the picture filled: "
        "if white should be filled, pass --invert_mask"
    )
    assert len(read(path, (50, 50), invert=True)[1]) == 1
    lines = read(saved(tmp_path, 255 - pixels), (50, 50), invert=True)[1]
    assert "if black should be filled, drop --invert_mask" in lines[1]
    # Single pixels that are missing here and there are as many as they are.
    scattered = np.where(RNG.random((50, 50)) < 0.1, 255, 0).astype(np.uint8)
    assert len(read(saved(tmp_path, scattered), (50, 50))[1]) == 1
    rows = np.zeros((50, 50), np.uint8)
    rows[::3] = 255
    assert len(read(saved(tmp_path, rows), (50, 50))[1]) == 1


def test_other_slips_are_told(tmp_path):
    pixels = np.full((50, 50), 255, np.uint8)
    pixels[0, 0] = 0
    lines = read(saved(tmp_path, pixels), (50, 50))[1]
    assert "hides only 0.040 % of the picture" in lines[1]
    pixels[:25] = 0
    lines = read(saved(tmp_path, np.stack([pixels] * 4, -1)), (50, 50))[1]
    assert "transparent in places" in lines[1]


def test_a_mask_saved_as_jpeg_leaves_no_rim(tmp_path):
    clean = photo()
    damaged, cover = stroke(clean, (250, 150, 20))
    black, _ = stroke(np.full((96, 128, 3), 255, np.uint8), (0, 0, 0))
    for name, pixels in {"clean": clean, "damaged": damaged, "mask": black}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg", quality=80)
    of, truth = (read_picture(tmp_path / f"{name}.jpg").image for name in ("damaged", "clean"))
    mask, lines = read(tmp_path / "mask.jpg", of=read_picture(tmp_path / "damaged.jpg"))
    hole = mask[:, :, 0] == 0
    assert (hole >= cover).all()
    assert hole.sum() < 3 * cover.sum()
    assert "has a soft rim: it is filled too, and 2 pixels more, which a JPEG smears" in lines[1]
    error = 255 * np.abs(of - truth).max(axis=2)
    assert error[cover].mean() > 60
    assert error[~hole].mean() < 2


def test_boxes():
    mask, lines = find_mask(picture(), Marks(boxes="3,2,5,4; 18,10,9,9"))
    wanted = np.ones(SHAPE)
    wanted[2:6, 3:8] = wanted[10:, 18:] = 0
    np.testing.assert_array_equal(mask[:, :, 0], wanted)
    assert lines == ["filling 10 % of the picture: 2 boxes 3,2,5,4; 18,10,9,9"]
    with pytest.raises(UserError, match=r"^--mask_box=20,0,3,3: lies outside .* which is 20x12"):
        find_mask(picture(), Marks(boxes="1,1,2,2;20,0,3,3"))
    with pytest.raises(UserError, match=r"^--mask_box=0,0,20,12: leaves nothing known"):
        find_mask(picture(), Marks(boxes="0,0,20,12"))
    for text in ["1,2,3", "1,2,3,0", "a", "1,2,3,4;5", "-1,2,3,4", "1.5,2,3,4"]:
        with pytest.raises(UserError, match="is no rectangle: write X,Y,WIDTH,HEIGHT"):
            parse_boxes(text)


def test_kinds_of_marks_add_up(tmp_path):
    pixels = np.full(SHAPE, 255, np.uint8)
    pixels[0, 0] = 0
    holes = np.zeros(SHAPE, bool)
    holes[11, 19] = True
    mask, lines = read(saved(tmp_path, pixels), of=picture()._replace(holes=holes), boxes="5,5,1,1")
    assert np.argwhere(mask[:, :, 0] == 0).tolist() == [[0, 0], [5, 5], [11, 19]]
    words = "the black part of mask.png and the box 5,5,1,1 and what is not numbers"
    assert lines[0] == f"filling 1.25 % of the picture: {words}"
