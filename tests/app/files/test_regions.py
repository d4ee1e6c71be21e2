"""What is marked, brought to the picture: turned, scaled, grown."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture
from tests.app.files.common import RNG, SHAPE, photo, picture, read, saved


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_picture_is_turned_with_it(tmp_path, orientation):
    marked = np.full((12, 20), 255, np.uint8)
    marked[2:5, 3:9] = 0
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(marked).save(tmp_path / "p.png", exif=exif)
    turned = read_picture(tmp_path / "p.png")
    assert turned.image.shape == (20, 12, 1)
    mask, lines = read(saved(tmp_path, marked), of=turned)
    np.testing.assert_array_equal(mask, turned.image)
    assert "turned upright with it, as EXIF says" in lines[1]
    large = saved(tmp_path, marked.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(read(large, of=turned)[0], turned.image)
    upright = saved(tmp_path, np.rint(255 * turned.image[:, :, 0]).astype(np.uint8))
    mask, lines = read(upright, of=turned)
    np.testing.assert_array_equal(mask, turned.image)
    assert len(lines) == 1


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_the_orientation_of_a_file_is_known(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6
    deep = RNG.integers(0, 65536, SHAPE).astype(np.uint16)
    Image.fromarray(photo(12, 20)).save(tmp_path / f"a.{suffix}", exif=exif)
    assert read_picture(tmp_path / f"a.{suffix}").orientation == 6
    if suffix != "jpg":
        Image.fromarray(deep).save(tmp_path / f"b.{suffix}", exif=exif)
        assert read_picture(tmp_path / f"b.{suffix}").orientation == 6
    Image.fromarray(photo(12, 20)).save(tmp_path / f"c.{suffix}")
    assert read_picture(tmp_path / f"c.{suffix}").orientation == 1


def test_what_half_turns_leave_open_is_said(tmp_path):
    pixels = np.full(SHAPE, 255, np.uint8)
    pixels[2:5, 3:9] = 0
    lines = read(saved(tmp_path, pixels), of=picture(orientation=3))[1]
    assert lines[1].endswith("is taken to lie upright, as EXIF turns the picture")


def test_masks_of_another_size_are_scaled(tmp_path):
    pixels = np.full((480, 801), 255, np.uint8)
    pixels[101, 40:400] = 0  # thinner than a pixel of the picture
    mask, lines = read(saved(tmp_path, pixels), (120, 200))
    assert mask.shape == (120, 200, 1)
    assert not mask[25, 11:99].any()
    assert mask.sum() >= 120 * 200 - 92
    assert lines[1].endswith("is 801x480: scaled to the picture's 200x120")
    small = np.full((24, 40), 255, np.uint8)
    small[10:12, 5:9] = 0
    mask, lines = read(saved(tmp_path, small), (120, 200))
    wanted = np.ones((120, 200))
    wanted[47:63, 22:48] = 0  # half of a mask's pixel more
    np.testing.assert_array_equal(mask[:, :, 0], wanted)
    assert "what is filled grown by 3 pixels" in lines[1]


def test_masks_of_another_shape_are_not(tmp_path):
    pixels = np.full((24, 40), 255, np.uint8)
    pixels[3, 3:8] = 0
    for shape in [(24, 41), (24, 42), (100, 100), (120, 210), (40, 24)]:
        with pytest.raises(UserError, match="give a mask of that size or shape"):
            read(saved(tmp_path, pixels), shape)


@pytest.mark.parametrize("invert", [False, True])
def test_holes_grow_on_all_sides(tmp_path, invert):
    pixels = np.full(SHAPE, 255, np.uint8)
    pixels[0, 0] = pixels[5:7, 10] = 0
    path = saved(tmp_path, 255 - pixels if invert else pixels)
    mask, lines = read(path, invert=invert, grow=2)
    wanted = np.ones(SHAPE)
    wanted[:3, :3] = wanted[3:9, 8:13] = 0
    np.testing.assert_array_equal(mask[:, :, 0], wanted)
    assert lines[0].endswith(", grown by 2 pixels")
    assert read(path, invert=invert, grow=1)[1][0].endswith(", grown by 1 pixel")
    with pytest.raises(UserError, match=r"^--grow_mask=10: leaves nothing known; take less"):
        read(path, invert=invert, grow=10)
