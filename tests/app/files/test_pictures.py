"""Pictures come back as they are in the file, or are refused in one helpful line."""

import io
import logging
import os
import stat
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture
from dip_jax.metrics import to_uint8

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 20), np.uint8)
RGB = RNG.integers(0, 256, (12, 20, 3), np.uint8)
RGBA = RNG.integers(0, 256, (12, 20, 4), np.uint8)
ORIENTATION = 0x0112


def png(width, height, depth, colour, rows):
    """The bytes of a PNG, also of kinds that Pillow cannot write."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(pixels, kind, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def tiff_claiming(wanted, value):
    """An RGB TIFF with another value in a tag: of kinds that Pillow cannot write."""
    data = bytearray(encoded(RGB, "TIFF"))
    (ifd,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, ifd)
    for at in range(ifd + 2, ifd + 2 + 12 * entries, 12):
        tag, _, count, offset = struct.unpack_from("<HHII", data, at)
        if tag == wanted:  # one short number lies in the entry itself
            place = at + 8 if count == 1 else offset
            struct.pack_into(f"<{count}H", data, place, *[value] * count)
    return bytes(data)


# name of the file, its bytes (None: no such file), what the message must say
REFUSED = {
    "missing": ("no.png", None, "does not exist; check"),
    "empty": ("a.png", b"", "empty file; save"),
    "text": ("a.png", b"hello, I am text", "not a picture that can be read; save it as"),
    "svg": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "save it as"),
    "eps": ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "save it as"),
    "cut png": ("a.png", encoded(RGB, "PNG")[:400], "cut short"),
    "cut png header": ("a.png", encoded(RGB, "PNG")[:20], "cut short"),
    "cut jpeg": ("a.jpg", encoded(RGB, "JPEG")[:700], "cut short"),
    "cut tiff": ("a.tif", encoded(RGB, "TIFF")[:-400], "cut short"),
    "cut bmp": ("a.bmp", encoded(RGB, "BMP")[:-400], "cut short"),
    "cut webp": ("a.webp", encoded(RGB, "WEBP", lossless=True)[:200], "save"),
    "lab": ("a.tif", encoded(Image.new("LAB", (9, 9)), "TIFF"), "LAB colours"),
    "bomb": ("a.png", png(30000, 30000, 8, 2, b""), "64 megapixels; scale it down"),
    "warned bomb": ("a.png", png(12000, 9000, 8, 2, b""), "64 megapixels"),
    "just too large": ("a.png", png(8001, 8000, 8, 2, b""), "64 megapixels"),
    "npy rank 1": ("a.npy", npy(np.zeros(9)), "the shape (9,); save it as"),
    "gzip": ("a.fits.gz", b"\x1f\x8b\x08" + bytes(90), "unpack it with gunzip"),
    "npy rank 4": ("a.npy", npy(np.zeros((2, 2, 4, 4, 3))), "save it as"),
    "npy channels": ("a.npy", npy(np.zeros((40, 31, 40))), "save it as (h, w), (h, w, ch"),
    "npy no pixels": ("a.npy", npy(np.zeros((0, 4))), "the shape (0, 4); save it as"),
    "npy complex": (
        "a.npy",
        npy(np.zeros((4, 4), complex)),
        "two channels that are restored together",
    ),
    "npy objects": ("a.npy", npy(np.full((4, 4), None)), "Python objects; save it as"),
    "npy cut": ("a.npy", npy(np.zeros((40, 40)))[:-99], "whole NumPy array"),
    "npy text": ("a.npy", b"hello", "whole NumPy array"),
    "npz": ("a.npy", b"PK\5\6" + bytes(18), "whole NumPy array"),
}


def refusal(path, flag="--image"):
    """The message of the refusal, after what holds for every one is checked."""
    with pytest.raises(UserError) as caught:
        read_picture(path, flag=flag)
    message = str(caught.value)
    assert message.startswith(f"{flag}={path}: ")
    assert len(message.splitlines()) == 1
    assert ";" in message  # what is wrong; the mend
    return message


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused(case, tmp_path):
    name, content, expected = REFUSED[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert expected in refusal(path)
    assert "--degraded=" in refusal(path, flag="--degraded")


def test_folders_and_devices_are_refused(tmp_path):
    assert "is a folder; name" in refusal(tmp_path)
    assert "not a regular file; name" in refusal(os.devnull)


def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.png"
    path.write_bytes(encoded(RGB, "PNG"))
    # Not chmod, since the superuser may read everything.
    monkeypatch.setattr("builtins.open", denied)
    assert "may not be read by you; change its permissions" in refusal(path)


def test_impossible_paths_are_refused_in_one_line():
    for path in ("a\0b.png", "x" * 5000, "two\nlines.png"):
        with pytest.raises(UserError) as caught:
            read_picture(path)
        message = str(caught.value)
        assert message.isprintable()
        assert message.endswith("check the path")


def test_pickles_are_not_executed(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(npy(np.array([[print]], dtype=object)))
    assert "Python objects" in refusal(path)


def test_nothing_is_logged(tmp_path, caplog):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_claiming(277, 9))  # more samples per pixel than Pillow decodes
    with caplog.at_level(logging.WARNING):
        refusal(path)
    assert not caplog.records


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_grey_files(kind, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(encoded(GREY, kind))
    image, alpha, *_ = read_picture(path)
    assert image.dtype == np.float32
    assert alpha is None
    np.testing.assert_array_equal(image, GREY[:, :, None] / np.float32(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_rgb_files(kind, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(encoded(RGB, kind, lossless=True))
    image, alpha, *_ = read_picture(path)
    assert alpha is None
    np.testing.assert_array_equal(image, RGB / np.float32(255))


def test_palettes_bits_and_transparency(tmp_path):
    path = tmp_path / "a.png"
    palette = Image.fromarray(RGB // 64 * 64).quantize(64)
    path.write_bytes(encoded(palette, "PNG"))
    image, alpha, *_ = read_picture(path)
    np.testing.assert_array_equal(to_uint8(image), np.asarray(palette.convert("RGB")))
    assert alpha is None

    path.write_bytes(encoded(palette, "PNG", transparency=5))
    image, alpha, *_ = read_picture(path)
    np.testing.assert_array_equal(to_uint8(image), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(alpha, np.where(np.asarray(palette) == 5, 0, 255))

    path.write_bytes(encoded(GREY > 127, "PNG"))
    image, alpha, *_ = read_picture(path)
    np.testing.assert_array_equal(image[:, :, 0], GREY > 127)
    assert alpha is None

    path.write_bytes(encoded(GREY, "PNG", transparency=int(GREY[0, 0])))
    image, alpha, *_ = read_picture(path)
    np.testing.assert_array_equal(to_uint8(image[:, :, 0]), GREY)
    np.testing.assert_array_equal(alpha, np.where(GREY[0, 0] == GREY, 0, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation, tmp_path):
    corners = np.zeros((32, 48, 3), np.uint8)
    corners[:8, :16] = 255  # bright in the upper left corner, and wider than high
    upright = {
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.transpose(1, 0, 2),
        6: np.rot90(corners, -1),
        7: corners[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(corners),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "a"
    path.write_bytes(encoded(corners, kind, exif=exif))
    image = read_picture(path).image
    assert image.shape == upright.shape
    np.testing.assert_allclose(image, upright / 255, atol=0.1)


def test_broken_exif_is_ignored(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(RGB, "JPEG", exif=b"Exif\0\0garbage and more garbage"))
    assert read_picture(path).image.shape == RGB.shape


def test_mpo_gives_its_first_frame(tmp_path):
    path = tmp_path / "a.jpg"
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    path.write_bytes(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    with Image.open(path) as image:
        assert image.format == "MPO"
    np.testing.assert_array_equal(read_picture(path).image, 1)


def test_npy_files(tmp_path):
    path = tmp_path / "a.npy"
    floats = RNG.random((5, 6, 3))
    np.save(path, floats)
    np.testing.assert_array_equal(read_picture(path).image, floats.astype(np.float32))
    np.save(path, floats[:, :, 0])
    assert read_picture(path).image.shape == (5, 6, 1)
    np.save(path, floats > 0.5)
    np.testing.assert_array_equal(read_picture(path).image, floats > 0.5)
    np.save(path, RGBA)
    image, alpha, *_ = read_picture(path)
    np.testing.assert_array_equal(image, RGBA[:, :, :3] / np.float32(255))
    np.testing.assert_array_equal(alpha, RGBA[:, :, 3])


@pytest.mark.parametrize("pixels", [GREY[:, :, None], RGB])
@pytest.mark.parametrize("alpha", [None, RGBA[:, :, 3]])
def test_written_pictures_come_back(pixels, alpha, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("an older file")
    write_picture(path, pixels / np.float32(255), alpha)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.image, pixels / np.float32(255))
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_array_equal(picture.alpha, alpha)
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


def test_failed_writing_leaves_the_old_file(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.png"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_picture(path, RGB / 255)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_picture_refuses_what_it_cannot_keep(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="NaN"):
        write_picture(path, np.full((4, 4, 1), np.nan))
    with pytest.raises(ValueError, match="h, w"):
        write_picture(path, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="suffix"):
        write_picture(tmp_path / "a.xyz", np.zeros((4, 4, 1)))
    with pytest.raises(ValueError, match="match"):
        write_picture(path, np.zeros((4, 4, 1)), np.zeros((5, 4), np.uint8))
    assert not list(tmp_path.iterdir())
