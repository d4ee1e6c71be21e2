"""FITS images come back with their values, headers and axes."""

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
RNG = np.random.default_rng(0)
IMAGES = {
    "float": RNG.random((12, 20)).astype(np.float32),
    "double": RNG.standard_normal((12, 20)),
    "unsigned": RNG.integers(0, 65536, (12, 20)).astype(np.uint16),
    "counts": RNG.integers(0, 900, (12, 20)).astype(np.int32),
    "cube": RNG.random((7, 12, 20)).astype(np.float32),
    "four planes": RNG.random((4, 12, 20)).astype(np.float32),
    "radio": RNG.random((1, 1, 12, 20)).astype(np.float32),
}


def header():
    made = fits.Header()
    made["OBJECT"] = ("M51", "what was looked at")
    made["CRVAL1"], made["CTYPE1"] = 202.47, "RA---TAN"
    made["HISTORY"] = "flat-fielded"
    return made


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("extension", [False, True])
def test_images_come_back(name, extension, tmp_path):
    first, second, stored = tmp_path / "a.fits", tmp_path / "b.fit", IMAGES[name]
    if extension:
        image = fits.ImageHDU(stored, header(), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(first, checksum=True)
    else:
        fits.PrimaryHDU(stored, header()).writeto(first)
    picture = read_picture(first)
    channels = stored.shape[0] if stored.ndim == 3 else 1
    assert picture.image.shape == (12, 20, channels)
    assert picture.alpha is None
    assert not write_picture(second, picture.image, None, picture.origin)
    with fits.open(second, checksum=True) as units:
        (again,) = units
        assert again.data.dtype.name == stored.dtype.name
        assert again.data.shape == stored.shape
        np.testing.assert_allclose(again.data, stored, atol=2e-6 * np.ptp(stored))
        assert again.header["OBJECT"] == "M51"
        assert again.header.comments["OBJECT"] == "what was looked at"
        assert again.header["CRVAL1"] == 202.47
        assert "flat-fielded" in again.header["HISTORY"]
    write_picture(second, picture.image, None, picture.origin, strip=True)
    assert "OBJECT" not in fits.getheader(second)


def test_an_enlarged_picture_keeps_its_place_in_the_sky(tmp_path):
    wcs = pytest.importorskip("astropy.wcs")
    first, second = tmp_path / "a.fits", tmp_path / "b.fits"
    for cards in (
        {"CDELT1": -0.01, "CDELT2": 0.01},
        {"CD1_1": -0.008, "CD1_2": 0.006, "CD2_1": 0.006, "CD2_2": 0.008},
    ):
        sky = header()
        sky.update({"CRVAL2": 47.2, "CTYPE2": "DEC--TAN", "CRPIX1": 3.0, "CRPIX2": 5.5} | cards)
        fits.PrimaryHDU(IMAGES["float"], sky).writeto(first, overwrite=True)
        picture = read_picture(first)
        image = picture.image.repeat(4, 0).repeat(4, 1)
        metadata = picture.origin.metadata._replace(factor=4)
        write_picture(second, image, None, picture.origin._replace(metadata=metadata))
        before, after = (wcs.WCS(fits.getheader(path)) for path in (first, second))
        corners = np.array([[-0.5, -0.5], [19.5, 11.5], [7.0, 3.0]])
        here = before.wcs_pix2world(corners, 0)
        np.testing.assert_allclose(here, after.wcs_pix2world(4 * corners + 1.5, 0), atol=1e-9)


def test_one_of_several_images(tmp_path):
    path = tmp_path / "a.fits"
    units = [fits.ImageHDU(np.full((12, 20), i / 4.0), name=f"E{i}") for i in range(3)]
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))])
    fits.HDUList([fits.PrimaryHDU(), table, *units]).writeto(path)
    picture = read_picture(path)
    assert (picture.image == 0).all()
    told = "has 3 images: E0 is taken, and alone in the result (--page=NAME takes another: E0, E1"
    assert told in picture.remarks[0]
    assert (read_picture(path, page=3).image == 0.5).all()
    assert (read_picture(path, page="E1").image == 0.25).all()
    with pytest.raises(UserError, match="has no image E9; choose --page from E0, E1, E2"):
        read_picture(path, page="E9")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    with pytest.raises(UserError, match="holds no image"):
        read_picture(path)


def test_pixels_without_a_value_are_holes(tmp_path):
    stored = RNG.integers(0, 900, (12, 20)).astype(np.int16)
    stored[3, 4] = -32768
    unit = fits.PrimaryHDU(stored)
    unit.header["BLANK"] = -32768
    unit.header["BSCALE"], unit.header["BZERO"] = 0.5, 10.0
    unit.writeto(tmp_path / "a.fits")
    picture = read_picture(tmp_path / "a.fits")
    assert np.argwhere(picture.holes).tolist() == [[3, 4]]
    nan = np.where(stored < 0, np.nan, stored)
    fits.PrimaryHDU(nan).writeto(tmp_path / "b.fits")
    assert np.argwhere(read_picture(tmp_path / "b.fits").holes).tolist() == [[3, 4]]


def test_pictures_of_other_formats_become_planes(tmp_path):
    image = RNG.random((12, 20, 3), np.float32)
    write_picture(tmp_path / "a.fits", image)
    data = fits.getdata(tmp_path / "a.fits")
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data, np.rint(255 * np.moveaxis(image, -1, 0)))
    assert read_picture(tmp_path / "a.fits").image.shape == (12, 20, 3)
    write_picture(tmp_path / "b.fits", image[:, :, :1])
    assert fits.getdata(tmp_path / "b.fits").shape == (12, 20)


def test_damage_is_one_line(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(IMAGES["float"]).writeto(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match="is damaged or cut short") as caught:
        read_picture(path)
    assert len(str(caught.value).splitlines()) == 1
