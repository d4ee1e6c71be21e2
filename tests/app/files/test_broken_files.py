"""Broken files of every format: one line each, nothing written, the other pictures go on."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from dip_jax.app.cli import command, picture
from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import Contents
from dip_jax.app.files.formats.png import save_png
from dip_jax.app.files.pictures import read_picture
from tests.app.common import without_fit

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
DEEP = PIXELS.astype(np.uint16) * 257


def encoded(save):
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def pil(kind, **options):
    return encoded(lambda file: Image.fromarray(PIXELS).save(file, format=kind, **options))


def tiff(pixels, **options):
    return encoded(lambda file: tifffile.imwrite(file, pixels, **options))


def deep_png(tmp_path):
    save_png(tmp_path / "deep", Contents(DEEP))
    return (tmp_path / "deep").read_bytes()


WHOLE = {
    "a.png": pil("PNG"),
    "progressive.jpg": pil("JPEG", progressive=True),
    "a.jpg": pil("JPEG"),
    "a.tif": tiff(PIXELS),
    "deep.tif": tiff(DEEP),
    "zipped.tif": tiff(DEEP, compression="zlib"),
    "lzw.tif": pil("TIFF", compression="tiff_lzw"),
    "a.webp": pil("WEBP"),
    "a.bmp": pil("BMP"),
    "a.gif": pil("GIF"),
    "a.ppm": pil("PPM"),
    "text.pgm": b"P2 2 2 255 1 2 3 4\n",
    "a.npy": encoded(lambda file: np.save(file, PIXELS)),
    "a.npz": encoded(lambda file: np.savez_compressed(file, PIXELS)),
}
DAMAGE = {
    "empty": lambda data: b"",
    "begun": lambda data: data[:11],
    "cut": lambda data: data[: len(data) * 3 // 5],
    "zeros": lambda data: bytes(len(data)),
    "page": lambda data: b"<!DOCTYPE html><title>404 Not Found</title>",
}


def chunk(kind, data):
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png_of(width, height, depth, rows):
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def claim(data, at, code, *values):
    """Writes other sizes into a header."""
    return data[:at] + struct.pack(code, *values) + data[at + struct.calcsize(code) :]


def tiff_that_claims(name):
    """A TIFF whose tags of width and height hold a huge number."""
    data = WHOLE[name]
    start = struct.unpack_from("<I", data, 4)[0]
    for number in range(struct.unpack_from("<H", data, start)[0]):
        at = start + 2 + 12 * number
        if struct.unpack_from("<H", data, at)[0] in (256, 257):
            data = claim(data, at + 2, "<HII", 4, 1, 2_000_000)
    return data


def array_that_claims(shape):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': %s, }" % shape
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def archive_that_claims(shape):
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("arr_0.npy", array_that_claims(shape) + bytes(99))
    return file.getvalue()


# A few bytes that claim to be terabytes.
BOMBS = {
    "bomb.png": png_of(2_000_000, 2_000_000, 8, bytes(999)),
    "deep.png": png_of(2_000_000, 2_000_000, 16, bytes(999)),
    "just.png": png_of(8001, 8000, 8, bytes(999)),  # a little more than is read
    "bomb.bmp": claim(WHOLE["a.bmp"], 18, "<ii", 2**30, 2**30),
    "bomb.gif": claim(WHOLE["a.gif"], 6, "<HH", 65535, 65535),
    "bomb.tif": tiff_that_claims("a.tif"),
    "deep.tif": tiff_that_claims("deep.tif"),
    "bomb.ppm": b"P6 999999999 999999999 255\n" + bytes(99),
    "bomb.npy": array_that_claims(b"(2000000, 2000000, 3)"),
    "bomb.npz": archive_that_claims(b"(2000000, 2000000, 3)"),
}
# Headers that make no sense.
SENSELESS = {
    "0x0.png": png_of(0, 0, 8, b""),
    "depth.png": png_of(4, 4, 7, bytes(99)),
    "sum.png": claim(WHOLE["a.png"], 29, ">I", 0),
    "rows.png": png_of(4, 4, 8, bytes(3)),
    "negative.bmp": claim(WHOLE["a.bmp"], 18, "<i", -5),
    "bits.bmp": claim(WHOLE["a.bmp"], 28, "<H", 77),
    "offset.tif": claim(WHOLE["a.tif"], 4, "<I", 2**31),
    "loop.tif": claim(WHOLE["a.tif"], 4, "<I", 0),
    "jpeg.jpg": b"\xff\xd8\xff\xe0" + bytes(99),
    "webp.webp": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(9),
    "most.pgm": b"P5 2 2 70000\n" + bytes(8),
    "words.pgm": b"P2 2 2 255 a b c d\n",
    "shape.npy": array_that_claims(b"(-1, 4)"),
    "code.npy": array_that_claims(b"__import__('os')"),
    "zip.png": b"PK\x03\x04" + bytes(99),
}
BROKEN = {
    **{
        f"{how}-{name}": spoil(data)
        for how, spoil in DAMAGE.items()
        for name, data in WHOLE.items()
    },
    **BOMBS,
    **{f"senseless-{name}": data for name, data in SENSELESS.items()},
}


@pytest.fixture(autouse=True)
def no_fit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(picture, "restore", without_fit)


@pytest.mark.parametrize("name", BROKEN)
def test_one_line_tells_it(name, tmp_path, capfd):
    """All that comes to stderr, from decoders in C too."""
    (tmp_path / name).write_bytes(BROKEN[name])
    assert command.main([name]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"dip-jax: --image={name}: ")
    assert err.index("\n") == len(err) - 1 < 250
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_cut_png_of_16_bits(tmp_path):
    data = deep_png(tmp_path)
    for size in (len(data) // 2, len(data) - 99):
        (tmp_path / "cut.png").write_bytes(data[:size])
        with pytest.raises(UserError, match="is damaged or cut short"):
            read_picture(tmp_path / "cut.png")


def test_in_a_folder_the_others_go_on(tmp_path, capfd):
    (tmp_path / "in").mkdir()
    for name, data in BROKEN.items():
        (tmp_path / "in" / name).write_bytes(data)
    for name, data in WHOLE.items():
        (tmp_path / "in" / f"whole-{name}").write_bytes(data)
    assert command.main(["in", "out"]) == 1
    out, err = capfd.readouterr()
    count = len(BROKEN) + len(WHOLE)
    assert f"{len(WHOLE)} of {count} pictures done" in out
    assert "Traceback" not in err
    told = [line for line in err.splitlines() if ": --image=in/" in line]
    assert len(told) == len(BROKEN)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"whole-{name}" for name in WHOLE} - {"whole-a.gif"} | {"whole-a.gif.png"}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "lzw.tif", "deep.tif", "a.webp", "a.npz"])
def test_spoiled_bytes_never_surprise(name, tmp_path, capfd):
    """A picture or a line; which of both, chance decides."""
    random, data = np.random.default_rng(1), WHOLE[name]
    for _ in range(60):
        spoiled = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 20)):
            spoiled[at] = random.integers(0, 256)
        (tmp_path / name).write_bytes(bytes(spoiled[: random.integers(1, 2 * len(data))]))
        told = ""
        try:
            assert np.isfinite(read_picture(name).image).all()
        except UserError as error:
            told = str(error)
        assert "\n" not in told
        assert len(told) < 250
    assert capfd.readouterr() == ("", "")


def test_values_beyond_all_measure(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 4), 1e308) * [1, -1, 1, -1])
    with pytest.raises(UserError, match="values too large"):
        read_picture(tmp_path / "a.npy")


def shallow_png():
    shades = np.add.outer(np.arange(48), np.arange(60)).astype(np.uint8)
    return encoded(lambda file: Image.fromarray(shades).save(file, format="PNG"))


@pytest.mark.parametrize("deep", [False, True])
def test_no_damaged_byte_of_the_pixels_of_a_png_is_overlooked(deep, tmp_path):
    """Some make Pillow's decoder fail, some give other pixels."""
    data = deep_png(tmp_path) if deep else shallow_png()
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    for at in np.linspace(start, end - 1, 30).astype(int):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        (tmp_path / "a.png").write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or cut short"):
            read_picture(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(data)
    read_picture(tmp_path / "a.png")
