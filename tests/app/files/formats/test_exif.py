"""EXIF: kept to the byte, but for what is not true of the result."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import IFD
from PIL.PngImagePlugin import PngInfo

from dip_jax.app.files.formats.exif import check_exif, fit_exif
from dip_jax.app.files.pictures import ORIGIN, read_picture, write_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
NAME = "José Peña"


def camera_exif(**more):
    exif = Image.Exif()
    exif[274], exif[282], exif[283] = 6, 300.0, 300.0
    exif[271], exif[306] = "a maker", "2020:01:02 03:04:05"
    exif[315] = NAME.encode()
    camera, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    camera[36867], camera[33434] = "2020:01:02 03:04:05", 0.01
    camera[40962], camera[40963] = 20, 12
    camera[37500] = b"what only the maker understands"
    place[1], place[2] = "N", (1.0, 2.0, 3.0)
    return exif.tobytes()


def with_thumbnail(exif):
    """The same with a second directory, which Pillow does not write."""
    data = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = "little" if data.startswith(b"II") else "big"

    def number(value, size):
        return value.to_bytes(size, order)

    count = int.from_bytes(data[8:10], order)
    second = len(data)
    data[10 + 12 * count : 14 + 12 * count] = number(second, 4)
    entries = [(513, second + 30), (514, 5)]
    data += number(2, 2)
    for code, value in entries:
        data += number(code, 2) + number(4, 2) + number(1, 4) + number(value, 4)
    return bytes(data + bytes(4) + b"small")


def save(path, exif):
    Image.fromarray(PIXELS).save(path, exif=exif, dpi=(300, 300), quality=95)


def restore(source, target, factor=1):
    picture = read_picture(source)
    image = picture.image.repeat(factor, 0).repeat(factor, 1)
    metadata = picture.origin.metadata._replace(factor=factor)
    write_picture(target, image, None, picture.origin._replace(metadata=metadata))
    with Image.open(target) as written:
        written.load()
        return written.getexif(), written.size


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize(
    "kinds", ["jpg jpg", "jpg tif", "jpg tif tif", "jpg tif jpg", "jpg png tif"]
)
def test_all_that_is_true_comes_back(kinds, factor, tmp_path):
    first, *others, last = (tmp_path / f"{n}.{kind}" for n, kind in enumerate(kinds.split()))
    save(first, camera_exif())
    for other in others:
        restore(first, other)
        first = other
    exif, size = restore(first, last, factor)
    assert size == (12 * factor, 20 * factor)  # upright
    assert exif.get(274, 1) == 1
    assert exif[271] == "a maker"
    assert exif[306] == "2020:01:02 03:04:05"
    assert exif[315].encode("latin-1").decode() == NAME
    if kinds.startswith("jpg tif") and last.suffix != ".tif":  # the resolution has its own place
        assert 282 not in exif
    else:
        assert exif[282] == pytest.approx(300 * factor, abs=0.1)
    camera, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert camera[36867] == "2020:01:02 03:04:05"
    assert camera[33434] == 0.01
    assert (camera[40962], camera[40963]) == size
    assert camera[37500] == b"what only the maker understands"
    assert place == {1: "N", 2: (1, 2, 3)}


@pytest.mark.parametrize("depth", [np.uint16, np.float32])
def test_deep_tiffs_have_it_too(depth, tmp_path):
    save(tmp_path / "a.jpg", camera_exif())
    picture = read_picture(tmp_path / "a.jpg")
    origin = picture.origin._replace(dtype=np.dtype(depth))
    write_picture(tmp_path / "b.tif", picture.image, None, origin)
    exif = Image.Exif()
    exif.load((tmp_path / "b.tif").read_bytes())
    assert exif.get_ifd(0x8769)[36867] == "2020:01:02 03:04:05"
    np.testing.assert_allclose(read_picture(tmp_path / "b.tif").image, picture.image, atol=1e-5)


def test_the_old_thumbnail_is_wiped_out_and_nothing_is_moved():
    exif = with_thumbnail(camera_exif())
    found = Image.Exif()
    found.load(exif)
    assert found.get_ifd(IFD.IFD1)[514] == 5
    fitted = fit_exif(exif, 20, 12, 1)
    assert len(fitted) == len(exif)
    assert b"small" not in fitted
    assert b"what only the maker understands" in fitted
    assert fitted.index(b"what only") == exif.index(b"what only")
    again = Image.Exif()
    again.load(fitted)
    assert again[271] == "a maker"
    assert not again.get_ifd(IFD.IFD1)


def test_broken_data_are_left_out_or_left_alone():
    assert check_exif(None) is None
    assert check_exif(b"Exif\0\0garbage and more") is None
    whole = camera_exif().removeprefix(b"Exif\0\0")
    for end in range(10, len(whole), 7):
        assert len(fit_exif(whole[:end], 4, 4, 2)) == end


def test_a_broken_directory_does_not_keep_a_result_from_being_written(tmp_path):
    data = bytearray(camera_exif().removeprefix(b"Exif\0\0"))
    order = "little" if data.startswith(b"II") else "big"
    for at in range(10, 10 + 12 * int.from_bytes(data[8:10], order), 12):
        if int.from_bytes(data[at : at + 2], order) == 0x8769:
            data[at + 8 : at + 12] = (len(data) - 3).to_bytes(4, order)
    metadata = ORIGIN.metadata._replace(exif=bytes(data))
    for name in ("a.tif", "a.jpg", "a.png"):
        write_picture(tmp_path / name, PIXELS / 255, None, ORIGIN._replace(metadata=metadata))
        picture = read_picture(tmp_path / name)
        assert b"a maker" in (tmp_path / name).read_bytes()
        np.testing.assert_allclose(picture.image, PIXELS / 255, atol=0.3)


def test_strip_drops_it(tmp_path):
    save(tmp_path / "a.jpg", camera_exif())
    picture = read_picture(tmp_path / "a.jpg")
    for name in ("b.jpg", "b.png", "b.tif"):
        write_picture(tmp_path / name, picture.image, None, picture.origin, strip=True)
        with Image.open(tmp_path / name) as written:
            assert not {271, 306, 315, 0x8769, 0x8825} & dict(written.getexif()).keys()


def test_exif_of_an_old_png(tmp_path):
    data = camera_exif()
    info = f"\nexif\n{len(data):8}\n{data.hex()}\n"
    texts = PngInfo()
    texts.add_text("Raw profile type exif", info, zip=True)
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", pnginfo=texts)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    exif, size = restore(tmp_path / "a.png", tmp_path / "b.png")
    assert size == (12, 20)
    assert exif[271] == "a maker"
    assert 274 not in exif


def test_the_names_in_a_tiff_go_into_a_jpeg(tmp_path):
    artist = [(315, 2, 0, NAME.encode(), True)]
    told = {"datetime": "2020:01:02 03:04:05", "software": "s", "description": "ImageJ=1.5\n"}
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=artist, metadata=None, **told)
    exif, _ = restore(tmp_path / "a.tif", tmp_path / "b.jpg")
    assert exif.keys() == {305, 306, 315}
    assert exif[315].encode("latin-1").decode() == NAME
