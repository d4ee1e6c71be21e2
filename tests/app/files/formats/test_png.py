"""PNG at full depth: what another program wrote is read to the bit, and comes back."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

RNG = np.random.default_rng(0)
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(pixels, *chunks):
    """The bytes of a 16-bit PNG, with no filter."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOURS[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*body, chunk(b"IEND", b"")])


def deep(channels, height=7, width=9):
    return RNG.integers(0, 65536, (height, width, channels)).astype(np.uint16)


def parts(pixels):
    if pixels.shape[2] in (2, 4):
        return pixels[:, :, :-1], pixels[:, :, -1]
    return pixels, None


@pytest.mark.parametrize("channels", COLOURS)
def test_16_bits_are_read_to_the_bit(channels, tmp_path):
    path, stored = tmp_path / "a.png", deep(channels)
    path.write_bytes(png(stored))
    picture = read_picture(path)
    pixels, alpha = parts(stored)
    np.testing.assert_array_equal(np.rint(picture.image * 65535), pixels)
    assert picture.origin.dtype == np.uint16
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("channels", COLOURS)
def test_16_bits_come_back(channels, tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(png(deep(channels, 33, 40)))
    picture = read_picture(first)
    assert not write_picture(second, picture.image, picture.alpha, picture.origin)
    again = read_picture(second)
    np.testing.assert_array_equal(again.image, picture.image)
    if picture.alpha is not None:
        np.testing.assert_array_equal(again.alpha, picture.alpha)


def test_filters_make_smooth_pictures_small(tmp_path):
    ramp = np.linspace(0, 60000, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(png(ramp))
    picture = read_picture(first)
    write_picture(second, picture.image, None, picture.origin)
    assert second.stat().st_size < first.stat().st_size / 3


@pytest.mark.parametrize("channels", [1, 3])
def test_one_colour_of_16_bits_may_be_transparent(channels, tmp_path):
    path, stored = tmp_path / "a.png", deep(channels)
    hidden = struct.pack(f">{channels}H", *stored[0, 0])
    path.write_bytes(png(stored, chunk(b"tRNS", hidden)))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.alpha == 0, (stored == stored[0, 0]).all(axis=2))
    assert picture.alpha.max() == 65535


def test_a_turned_16_bit_picture_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path, stored = tmp_path / "a.png", deep(3)
    path.write_bytes(png(stored, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))))
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.image * 65535), np.rot90(stored, -1))


def encoded(*frames, **options):
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:]} if frames[1:] else {}
    frames[0].save(buffer, "PNG", **more, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("depth", [8, 16])
def test_metadata_come_back(depth, tmp_path):
    profile = bytearray(256)
    profile[16:20] = b"RGB "
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    if depth == 8:
        image = Image.fromarray(deep(3).astype(np.uint8))
        image.info["XML:com.adobe.xmp"] = xmp
        first.write_bytes(encoded(image, icc_profile=bytes(profile), exif=exif, dpi=(300, 300)))
    else:
        first.write_bytes(
            png(
                deep(3),
                chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)),
                chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
                chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")),
                chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
            )
        )
    picture = read_picture(first)
    write_picture(second, picture.image, None, picture.origin)
    with Image.open(second) as image:
        assert image.info["icc_profile"] == bytes(profile)
        assert image.getexif()[0x010F] == "a maker"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if depth == 16:
            assert image.info["XML:com.adobe.xmp"] == xmp.decode()
    write_picture(second, picture.image, None, picture.origin, strip=True)
    with Image.open(second) as image:
        assert image.info["icc_profile"] == bytes(profile)
        assert not image.getexif()
        assert "dpi" not in image.info


@pytest.mark.parametrize("depth", [8, 16])
def test_texts_and_the_meaning_of_colours_come_back(depth, tmp_path):
    own = [
        chunk(b"gAMA", struct.pack(">I", 100000)),
        chunk(b"tEXt", b"Title\0The old mill"),
        chunk(b"tEXt", b"Comment\0one"),
        chunk(b"tEXt", b"Comment\0two"),
        chunk(b"zTXt", b"Software\0\0" + zlib.compress(b"a scanner")),
        chunk(b"iTXt", b"Author\0\0\0fr\0Auteur\0" + "José".encode()),
    ]
    late = chunk(b"tEXt", b"Description\0after the pixels")
    old = chunk(b"tEXt", b"dip-jax\0settings of an earlier run")
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    whole = png(deep(3), *own, old)
    if depth == 8:
        whole = whole.replace(
            *(chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 7, bits, 2, 0, 0, 0)) for bits in (16, 8))
        )
        rows = zlib.compress(b"".join(b"\0" + bytes(27) for _ in range(7)))
        at = whole.index(b"IDAT") - 4
        whole = whole[:at] + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    end = whole.index(b"IEND") - 4
    first.write_bytes(whole[:end] + late + whole[end:])
    picture = read_picture(first)
    metadata = picture.origin.metadata._replace(settings="of this run")
    write_picture(second, picture.image, None, picture.origin._replace(metadata=metadata))
    written = second.read_bytes()
    assert all(each in written for each in [*own, late])
    assert old not in written
    with Image.open(second) as image:
        image.load()
        assert image.text["dip-jax"] == "of this run"
        assert image.text["Author"].lang == "fr"
    write_picture(second, picture.image, None, picture.origin, strip=True)
    with Image.open(second) as image:
        image.load()
        assert image.text == {}
        assert image.info["gamma"] == 1


def test_a_cut_16_bit_file_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(deep(3, 50, 50))[:4000])
    with pytest.raises(UserError, match="cut short"):
        read_picture(path)


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    path = tmp_path / "a.png"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")]
    path.write_bytes(encoded(*frames))
    picture = read_picture(path)
    assert (picture.image == 1).all()
    assert "has 2 frames: the first is taken" in picture.remarks[0]
    second = read_picture(path, page=2)
    assert (second.image == 0).all()
    assert not second.remarks
    with pytest.raises(UserError, match="choose --page from 1 to 2"):
        read_picture(path, page=3)
