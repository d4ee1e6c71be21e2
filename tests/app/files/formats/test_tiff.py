"""TIFF at full depth, as tifffile and Pillow write it."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

RNG = np.random.default_rng(0)
KINDS = ("uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")


def pixels(kind, *shape):
    unit = RNG.random(shape)
    if kind.startswith("float"):
        return unit.astype(kind)
    info = np.iinfo(kind)
    return (info.min + unit * (float(info.max) - info.min)).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(12, 20), (12, 20, 3)])
def test_every_depth_comes_back(kind, shape, tmp_path):
    first, second, stored = tmp_path / "a.tif", tmp_path / "b.tif", pixels(kind, *shape)
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(first, stored, photometric=photometric)
    picture = read_picture(first)
    assert picture.image.dtype == np.float32
    assert picture.image.min() >= 0
    assert picture.image.max() <= 1
    assert not write_picture(second, picture.image, picture.alpha, picture.origin)
    again = tifffile.imread(second)
    assert again.dtype == stored.dtype
    assert again.shape == stored.shape
    span = float(stored.max()) - float(stored.min())
    np.testing.assert_allclose(again.astype(float), stored.astype(float), atol=1e-6 * span)
    if kind in ("uint8", "uint16"):
        np.testing.assert_array_equal(again, stored)


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"compression": "zlib"}, {}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiles_compression_and_byte_order(options, order, tmp_path):
    path, stored = tmp_path / "a.tif", pixels("uint16", 33, 40, 3)
    tifffile.imwrite(path, stored, photometric="rgb", byteorder=order, **options)
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.image * 65535), stored)
    assert picture.origin.encoding["compressed"] == ("compression" in options)


def lzw(path, stored, order):
    """Writes a TIFF with LZW, which tifffile alone can't do: each byte is a code of nine bits."""
    data = stored.astype(order + "u2").tobytes()
    codes = []
    for start in range(0, len(data), 200):  # 256 begins again, before the codes grow to ten bits
        codes += [256, *data[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    options = {"planarconfig": "contig", "photometric": "rgb"} if stored.shape[2] > 1 else {}
    tifffile.imwrite(path, stored, byteorder=order, rowsperstrip=len(stored), **options)
    offset = path.stat().st_size
    with path.open("ab") as file:
        file.write(packed)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tags = tiff.pages[0].tags
        for code, value in ((259, 5), (273, offset), (279, len(packed))):
            tags[code].overwrite(value)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_lzw_of_16_bits(channels, order, tmp_path):
    path, stored = tmp_path / "a.tif", pixels("uint16", 7, 9, channels)
    lzw(path, stored, order)
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.image * 65535), stored[:, :, :3])
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, stored[:, :, 3])


def test_planes_one_after_the_other(tmp_path):
    path, stored = tmp_path / "a.tif", pixels("float32", 3, 12, 20)
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_picture(path).image, np.moveaxis(stored, 0, -1))


def test_pages(tmp_path):
    path, stored = tmp_path / "a.tif", pixels("uint16", 3, 12, 20)
    tifffile.imwrite(path, stored, photometric="minisblack")
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.image[:, :, 0] * 65535), stored[0])
    assert (
        "has 3 pages: the first is taken, and alone in the result (--page=N takes"
        in picture.remarks[0]
    )
    picture = read_picture(path, page=3)
    np.testing.assert_array_equal(np.rint(picture.image[:, :, 0] * 65535), stored[2])
    assert not picture.remarks


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_read_upright(orientation, tmp_path):
    deep, shallow = tmp_path / "a.tif", tmp_path / "b.tif"
    stored = pixels("uint8", 12, 20)
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(deep, stored.astype(np.uint16) * 257, extratags=tag)
    tifffile.imwrite(shallow, stored, extratags=tag)
    np.testing.assert_allclose(read_picture(deep).image, read_picture(shallow).image, atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_metadata_come_back(kind, tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    profile = bytearray(256)
    profile[16:20] = b"RGB "
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    tags = [(700, 1, len(xmp), xmp, True), (315, 2, 0, "José".encode(), True), (274, 3, 1, 6, True)]
    tifffile.imwrite(
        first,
        pixels(kind, 12, 20, 3),
        photometric="rgb",
        iccprofile=bytes(profile),
        resolution=(100, 100),
        resolutionunit="CENTIMETER",
        description="a specimen",
        metadata=None,
        extratags=tags,
    )
    picture = read_picture(first)
    write_picture(second, picture.image, None, picture.origin)
    with tifffile.TiffFile(second) as tiff:
        page = tiff.pages[0]
        assert page.iccprofile == bytes(profile)
        assert page.tags[700].value == xmp.replace(b"6", b"1")
        assert page.tags[315].value == "José"
        assert page.description == "a specimen"
        assert page.get_resolution("INCH") == pytest.approx((254, 254))
        assert page.tags[296].value == 3
        assert 274 not in page.tags
    write_picture(second, picture.image, None, picture.origin, strip=True)
    with tifffile.TiffFile(second) as tiff:
        assert tiff.pages[0].iccprofile == bytes(profile)
        assert not {700, 315, 270} & {tag.code for tag in tiff.pages[0].tags}
    png = tmp_path / "c.png"
    write_picture(png, picture.image, None, picture.origin)
    with Image.open(png) as image:
        assert image.info["icc_profile"] == bytes(profile)
        assert image.info["dpi"] == pytest.approx((254, 254), abs=0.1)


def test_the_scale_of_imagej_comes_back(tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(
        first, pixels("uint16", 12, 20), imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    picture = read_picture(first)
    write_picture(second, picture.image, None, picture.origin)
    with tifffile.TiffFile(second) as tiff:
        assert tiff.imagej_metadata["unit"] == "um"
        assert tiff.pages[0].tags[282].value == (4, 1)


def test_alpha_comes_back(tmp_path):
    first, second, stored = tmp_path / "a.tif", tmp_path / "b.tif", pixels("uint16", 12, 20, 4)
    tifffile.imwrite(first, stored, photometric="rgb", extrasamples=["unassalpha"])
    picture = read_picture(first)
    write_picture(second, picture.image, picture.alpha, picture.origin)
    np.testing.assert_array_equal(tifffile.imread(second), stored)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [2, 5, 31])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_any_number_of_channels(kind, channels, planar, tmp_path):
    path, stored = tmp_path / "a.tif", pixels(kind, 40, 50, channels)
    planes = stored if planar == "contig" else np.moveaxis(stored, -1, 0)
    tifffile.imwrite(path, planes, photometric="minisblack", planarconfig=planar)
    picture = read_picture(path)
    assert picture.alpha is None
    assert picture.image.shape == (40, 50, channels)
    assert f"has {channels} channels: all are restored" in picture.remarks[-1]
    second = tmp_path / "b.tif"
    assert not write_picture(second, picture.image, None, picture.origin)
    np.testing.assert_array_equal(tifffile.imread(second), stored)
    assert read_picture(second).image.shape == (40, 50, channels)


def test_grey_with_alpha_is_not_two_channels(tmp_path):
    path, stored = tmp_path / "a.tif", pixels("uint16", 12, 20, 2)
    tifffile.imwrite(path, stored, photometric="minisblack", extrasamples=["unassalpha"])
    picture = read_picture(path)
    assert picture.image.shape == (12, 20, 1)
    np.testing.assert_array_equal(picture.alpha, stored[:, :, 1])


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_white_may_be_zero(kind, tmp_path):
    path, stored = tmp_path / "a.tif", pixels(kind, 12, 20)
    tifffile.imwrite(path, stored, photometric="miniswhite")
    most = 65535 if kind == "uint16" else 1
    np.testing.assert_allclose(read_picture(path).image[:, :, 0], 1 - stored / most, atol=1e-6)


def test_what_is_no_picture_for_us_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    for stored, options, problem in [
        (pixels("uint8", 2, 2, 300), {"photometric": "minisblack"}, "has 300 channels, more than"),
        (pixels("uint16", 12, 20, 4), {"photometric": "separated"}, "SEPARATED colours"),
        (pixels("uint16", 12, 20), {"photometric": "cfa"}, "raw data"),
    ]:
        planar = {"planarconfig": "contig"} if stored.ndim == 3 else {}
        tifffile.imwrite(path, stored, **planar, **options)
        with pytest.raises(UserError, match=problem) as caught:
            read_picture(path)
        assert len(str(caught.value).splitlines()) == 1


def test_a_huge_claim_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, shape=(9000, 9000), dtype=np.uint16)
    with pytest.raises(UserError, match="64 megapixels"):
        read_picture(path)


@pytest.mark.parametrize("next_page", [8, 14])
def test_pages_that_point_at_earlier_ones_come_to_an_end(next_page, tmp_path):
    empty = b"\0\0"  # a page without tags
    first = b"II*\0\x08\0\0\0" + empty + (14).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(first + empty + next_page.to_bytes(4, "little"))
    with pytest.raises(UserError, match="in a way that is not supported"):
        read_picture(tmp_path / "a.tif")
