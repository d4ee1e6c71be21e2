"""What is filled, by every kind of mark: mask files, paint, boxes, transparency, no numbers."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dip_jax.app.errors import UserError
from dip_jax.app.files.masks import Marks, find_mask, parse_boxes, suggest_paint, without_erased
from dip_jax.app.files.pictures import Picture, read_picture, write_picture

RNG = np.random.default_rng(0)
SHAPE = (12, 20)


def picture(height=12, width=20, channels=3, **more):
    return Picture(RNG.random((height, width, channels), np.float32), None, **more)


def saved(tmp_path, pixels, name="mask.png"):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    return path


def read(path, shape=SHAPE, of=None, **marks):
    return find_mask(of or picture(*shape[:2]), Marks(str(path), **marks))


def photo(height=96, width=128):
    """A smooth picture without pure colours."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [0.5 + 0.25 * np.sin(9 * x + 5 * y + phase) for phase in (0, 1, 2)]
    return np.rint(255 * np.stack(waves, -1)).astype(np.uint8)


def stroke(pixels, color):
    """The picture with antialiased paint on it, and where the paint is at all."""
    large = Image.new("L", (4 * pixels.shape[1], 4 * pixels.shape[0]))
    ImageDraw.Draw(large).line([(60, 60), (300, 200), (420, 330)], 255, 24)
    cover = np.asarray(large.resize(pixels.shape[1::-1], Image.Resampling.BOX))[:, :, None] / 255
    painted = cover * np.array(color) + (1 - cover) * pixels
    return np.rint(painted).astype(np.uint8), cover[:, :, 0] > 0


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
    with pytest.raises(UserError, match=r"^--grow_mask=10: leaves nothing known; take less"):
        read(path, invert=invert, grow=10)


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


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("color", ["red", "#ff0000", "rgb(255, 0, 0)"])
def test_paint_on_the_picture_is_filled(tmp_path, kind, color):
    painted, cover = stroke(photo(), (255, 0, 0))
    path = saved(tmp_path, painted, f"p.{kind}")
    of = read_picture(path)
    mask, lines = find_mask(of, Marks(color=color))
    hole = mask[:, :, 0] == 0
    assert (hole >= cover).all()
    assert hole.sum() < 3 * cover.sum()
    assert f"what is painted {color} on the picture" in lines[0]
    # On a mask file it says the same, of whatever size that is.
    other, _ = find_mask(picture(96, 128), Marks(str(path), color=color))
    np.testing.assert_array_equal(other, mask)
    half, _ = find_mask(picture(48, 64), Marks(str(path), color=color))
    assert (half[:, :, 0] <= mask[::2, ::2, 0]).all()
    rest, lines = find_mask(of, Marks(color=color, invert=True))
    np.testing.assert_array_equal(rest, 1 - mask)
    assert "all but what is painted" in lines[0]
    assert "if the rest should be filled, drop --invert_mask" in lines[1]


def test_paint_that_is_not_there(tmp_path):
    with pytest.raises(UserError) as caught:
        find_mask(read_picture(saved(tmp_path, photo())), Marks(color="lime"))
    told = str(caught.value)
    assert told.startswith("--mask_color=lime: is nowhere on the picture; the nearest colour is ")
    assert "--mask_tolerance" in told
    mask, _ = find_mask(
        read_picture(saved(tmp_path, photo())), Marks(color="#c08040", tolerance=40)
    )
    assert 0 < mask.mean() < 1


def test_paint_is_suggested(tmp_path):
    painted, _ = stroke(photo(), (0, 255, 255))
    path = saved(tmp_path, painted)
    with pytest.raises(UserError, match=r"neither black nor white.* pass --mask_color=cyan"):
        read(path, (96, 128))
    assert "--mask_color=cyan" in suggest_paint(read_picture(path))
    assert not suggest_paint(read_picture(saved(tmp_path, photo())))


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


def test_what_is_erased_is_filled(tmp_path):
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[2:5, 3:8], alpha[3, 4:7] = 120, 0  # with an eraser's soft rim
    alpha[9, 15] = 120  # glass
    of = picture()._replace(alpha=alpha)
    mask, lines = find_mask(of, Marks())
    wanted = np.ones(SHAPE)
    wanted[2:5, 3:8] = 0
    np.testing.assert_array_equal(mask[:, :, 0], wanted)
    assert "its transparent pixels" in lines[0]
    assert "opaque in the result" in lines[1]
    opaque = without_erased(alpha)
    assert opaque.dtype == np.uint8
    assert opaque[9, 15] == 120
    assert (np.delete(opaque.ravel(), 9 * 20 + 15) == 255).all()
    for kind, most in {"int64": 255, "float32": 1, "uint16": 4095}.items():  # as arrays have it
        same = (alpha.astype(float) * most / 255).astype(kind)
        mask, _ = find_mask(picture()._replace(alpha=same), Marks())
        np.testing.assert_array_equal(mask[:, :, 0], wanted)
        assert without_erased(same)[3, 5] == most
        assert without_erased(same).dtype == kind
    # Where something else is marked, transparency is nothing but transparency.
    mask, _ = find_mask(of, Marks(boxes="0,0,1,1"))
    assert (mask == 0).sum() == 1
    assert find_mask(picture()._replace(alpha=alpha | 1), Marks()) == (None, [])
    # On a mask file that is a picture, too.
    pixels = np.dstack([photo(), np.full((96, 128), 255, np.uint8)])
    pixels[20:30, 40:70, 3] = 0
    mask, lines = read(saved(tmp_path, pixels), (96, 128))
    np.testing.assert_array_equal(mask[:, :, 0], pixels[:, :, 3] > 0)
    assert "the transparent part of mask.png" in lines[0]


def test_kinds_of_marks_add_up(tmp_path):
    pixels = np.full(SHAPE, 255, np.uint8)
    pixels[0, 0] = 0
    holes = np.zeros(SHAPE, bool)
    holes[11, 19] = True
    mask, lines = read(saved(tmp_path, pixels), of=picture()._replace(holes=holes), boxes="5,5,1,1")
    assert np.argwhere(mask[:, :, 0] == 0).tolist() == [[0, 0], [5, 5], [11, 19]]
    words = "the black part of mask.png and the box 5,5,1,1 and what is not numbers"
    assert lines[0] == f"filling 1.25 % of the picture: {words}"


def test_a_result_keeps_its_alpha_channel(tmp_path):
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[3, 4] = 0
    write_picture(tmp_path / "a.png", picture().image, without_erased(alpha))
    assert (read_picture(tmp_path / "a.png").alpha == 255).all()
