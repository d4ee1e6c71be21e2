"""Files that need a package of their own: a hint that names the extra, or the picture."""

import io
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"
HINTS = {
    "a phone's": ("phone.HEIC", HEIC, "pillow_heif", r"HEIC picture.*'dip-jax\[heic\]'"),
    "under another name": ("a.jpg", HEIC, "pillow_heif", r"'dip-jax\[heic\]'"),
    "raw": ("a.dng", b"II*\0" + bytes(30), "rawpy", r"raw file.*'dip-jax\[raw\]'"),
    "fits": ("a.fits", b"SIMPLE  =" + bytes(90), "astropy.io.fits", r"FITS.*'dip-jax\[fits\]'"),
    "hdf5": ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(90), "h5py", r"HDF5.*'dip-jax\[hdf5\]'"),
    "matlab": ("a.mat", b"MATLAB 7.3" + bytes(90), "h5py", r"MATLAB 7\.3.*'dip-jax\[hdf5\]'"),
    "jxl": ("a.jxl", b"\xff\x0a" + bytes(30), "pillow_jxl", r"JPEG XL.*'dip-jax\[jxl\]'"),
}


@pytest.mark.parametrize("case", HINTS)
def test_hints_name_the_extra(case, tmp_path, monkeypatch):
    name, data, package, hint = HINTS[case]
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=hint) as caught:
        read_picture(path)
    assert len(str(caught.value).splitlines()) == 1


PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)


def turned():
    exif = Image.Exif()
    exif[271], exif[274] = "a maker", 6
    return exif.tobytes()


@pytest.mark.parametrize("name", ["a.heic", "named.jpg"])  # as phones send it
def test_heic(name, tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.register_heif_opener()
    path = tmp_path / name
    try:
        Image.fromarray(PIXELS).save(path, "HEIF", quality=-1, chroma=444, exif=turned())
    except RuntimeError:
        pytest.skip("this pillow-heif can't write")
    picture = read_picture(path)
    pixels = np.rot90(PIXELS, -1)
    # Red, green and blue are stored as brightness and colour, rounded.
    np.testing.assert_allclose(picture.image * 255, pixels[:, :, :3], atol=2)
    np.testing.assert_array_equal(picture.alpha, pixels[:, :, 3])
    assert b"a maker" in picture.origin.metadata.exif
    (told,) = write_picture(tmp_path / "b.png", picture.image, picture.alpha, picture.origin)
    assert told == "results are not written as HEIC: this is a PNG"
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (48, 64)
        assert dict(image.getexif()) == {271: "a maker", 274: 1}


def test_deep_heic_is_refused(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    deep = PIXELS[:, :, :3].astype(np.uint16) * 257
    try:
        heif.from_bytes("RGB;16", (64, 48), deep.tobytes()).save(tmp_path / "a.heic")
    except RuntimeError:
        pytest.skip("this pillow-heif can't write")
    with pytest.raises(UserError, match="bits a channel, which would be cut to 8"):
        read_picture(tmp_path / "a.heic")


@pytest.mark.parametrize("of_jpeg", [False, True])
def test_jpeg_xl(of_jpeg, tmp_path):
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    pixels, path = PIXELS[:, :, :3], tmp_path / "a.jxl"
    if of_jpeg:  # lies as the JPEG does, which EXIF turns
        Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=turned())
        with Image.open(tmp_path / "a.jpg") as image:
            image.save(path, lossless_jpeg=True)
            pixels = np.rot90(np.asarray(image), -1)
    else:  # lies upright, whatever EXIF says
        Image.fromarray(pixels).save(path, lossless=True, exif=turned())
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.image * 255), pixels)
    assert b"a maker" in picture.origin.metadata.exif


def test_raw(tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed")
    mosaic = np.full((64, 96), 12000, np.uint16)
    matrix = [v for row in np.eye(3, dtype=int).tolist() for one in row for v in (one, 1)]
    tags = [
        (33421, 3, 2, (2, 2), True),  # the pattern of its colour filters
        (33422, 1, 4, b"\0\1\1\2", True),
        (271, 2, 0, b"a maker", True),
        (306, 2, 0, b"2020:01:02 03:04:05", True),
        (50706, 1, 4, b"\1\4\0\0", True),  # DNG's version
        (50708, 2, 0, b"a camera", True),
        (50714, 3, 1, 0, True),  # black and white
        (50717, 4, 1, 65535, True),
        (50721, 10, 9, matrix, True),  # from colours to the sensor's
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
    ]
    tifffile.imwrite(tmp_path / "a.dng", mosaic, photometric="cfa", extratags=tags, metadata=None)
    picture = read_picture(tmp_path / "a.dng")
    assert picture.image.shape == (64, 96, 3)
    assert picture.origin.dtype == np.uint16
    assert "is a raw file: developed with" in picture.remarks[0]
    exif = Image.Exif()
    exif.load(picture.origin.metadata.exif)
    assert (exif[271], exif[306]) == ("a maker", "2020:01:02 03:04:05")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(buffer, "AVIF", quality=100)
    path, data = tmp_path / "a.avif", buffer.getvalue()
    path.write_bytes(data)
    image = read_picture(path).image
    np.testing.assert_allclose(image[8, 8] * 255, [200, 100, 50], atol=3)
    at = data.index(b"av1C") + 6
    path.write_bytes(data[:at] + bytes([data[at] | 0x40]) + data[at + 1 :])
    with pytest.raises(UserError, match="10 bits a channel, which would be cut to 8"):
        read_picture(path)
