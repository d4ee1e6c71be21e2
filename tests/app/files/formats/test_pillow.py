"""JPEG, WebP, BMP and GIF."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, IptcImagePlugin

from dip_jax.app.files.pictures import read_picture, write_picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".png", ".tif", ".ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_loses_nothing(suffix, channels, tmp_path):
    image = RGB[:, :, :channels] / np.float32(255)
    path = tmp_path / f"a{suffix}"
    assert not write_picture(path, image)
    again = read_picture(path).image
    np.testing.assert_array_equal(np.broadcast_to(again, image.shape[:2] + again.shape[2:]), again)
    np.testing.assert_array_equal(again[:, :, :channels], image)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".ppm"])
def test_transparency_that_a_format_lacks_is_told(suffix, tmp_path):
    alpha = RGB[:, :, 0]
    (note,) = write_picture(tmp_path / f"a{suffix}", RGB / 255, alpha)
    assert "holds no transparency: left out" in note


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".npy", ".png", ".jpg", ".tif", ".webp"])
def test_metadata_that_a_format_lacks_are_told(suffix, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[271] = "a camera"
    Image.fromarray(RGB).save(tmp_path / "in.png", icc_profile=profile, exif=exif)
    picture = read_picture(tmp_path / "in.png")
    path = tmp_path / f"a{suffix}"
    notes = write_picture(path, picture.image, None, picture.origin)
    lacks = suffix in (".bmp", ".ppm", ".npy")
    assert [note.split(" holds ")[1] for note in notes] == (
        ["no colour profile or EXIF: left out"] if lacks else []
    )
    notes = write_picture(path, picture.image, None, picture.origin, strip=True)
    assert ["EXIF" in note for note in notes] == [False] * lacks


@pytest.mark.parametrize(("quality", "expected"), [(50, 90), (90, 90), (96, 96), (100, 100)])
def test_a_jpeg_keeps_its_quality_but_no_less_than_90(quality, expected, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path, quality=quality)
    assert read_picture(path).origin.encoding["quality"] == expected


def test_cmyk_is_converted_and_told(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)
    picture = read_picture(path)
    assert picture.image[8, 8] == pytest.approx([1, 0, 0], abs=0.02)
    assert "CMYK colours without a profile: converted to RGB roughly" in picture.remarks[0]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, icc_profile=profile)
    picture = read_picture(path)  # that profile is of other colours
    assert "roughly" in picture.remarks[0]
    assert picture.origin.metadata.icc is None


def test_palettes_of_greys_are_grey(tmp_path):
    for suffix in (".gif", ".png"):
        path = tmp_path / f"a{suffix}"
        image = Image.fromarray(RGB[:, :, 0]).convert("P")
        image.save(path)
        picture = read_picture(path)
        np.testing.assert_array_equal(np.rint(picture.image * 255), RGB[:, :, :1])
        assert picture.origin.encoding["stored"] == "a palette"


def test_a_profile_of_other_channels_is_left_out(tmp_path):
    profile = bytes(16) + b"RGB " + bytes(200)
    buffer = io.BytesIO()
    Image.fromarray(RGB[:, :, 0]).convert("P").save(buffer, "PNG", icc_profile=profile)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    picture = read_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b.png", picture.image, None, picture.origin)
    with Image.open(tmp_path / "b.png") as image:
        assert "icc_profile" not in image.info


def test_iptc_comes_back(tmp_path):
    records = b"".join(
        b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text
        for number, text in [(5, b"The old mill"), (25, b"water"), (25, b"wheel"), (80, b"A. B.")]
    )
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(records).to_bytes(4, "big")
    block += records + bytes(len(records) % 2)
    app13 = b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block
    first = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(first, extra=app13)
    for name in ("b.jpg", "c.tif", "d.jpg"):  # each made of the one before
        picture = read_picture(first)
        assert picture.origin.metadata.iptc == records
        write_picture(tmp_path / name, picture.image, None, picture.origin)
        first = tmp_path / name
        with Image.open(first) as image:
            found = IptcImagePlugin.getiptcinfo(image)
        assert found is not None
        assert found[2, 5] == b"The old mill"
        assert found[2, 25] == [b"water", b"wheel"]
        write_picture(tmp_path / "e.jpg", picture.image, None, picture.origin, strip=True)
        with Image.open(tmp_path / "e.jpg") as image:
            assert IptcImagePlugin.getiptcinfo(image) is None
