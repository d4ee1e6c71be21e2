"""What a TIFF says of itself, and of its pixels once they are smaller."""

import numpy as np
import pytest
import tifffile

from dip_jax.app.files.pictures import read_picture, write_picture

PIXELS = np.random.default_rng(0).integers(0, 65536, (12, 20)).astype(np.uint16)


def restore(source, target, factor=1, *, strip=False):
    picture = read_picture(source)
    image = picture.image.repeat(factor, 0).repeat(factor, 1)
    metadata = picture.origin.metadata._replace(factor=factor, settings="{}")
    origin = picture.origin._replace(metadata=metadata)
    write_picture(target, image, None, origin, strip=strip)


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("pages", [1, 3])
def test_imagej(factor, pages, tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    stored = PIXELS if pages == 1 else np.stack([PIXELS] * pages)
    told = {"unit": "um", "min": 0.0, "max": 4000.0, "spacing": 0.5}
    tifffile.imwrite(first, stored, imagej=True, resolution=(4, 4), metadata=told)
    restore(first, second, factor)
    with tifffile.TiffFile(second) as tiff:
        assert tiff.is_imagej
        assert tiff.imagej_metadata["unit"] == "um"
        assert tiff.imagej_metadata["max"] == 4000
        assert "images" not in tiff.imagej_metadata or pages == 1
        assert tiff.pages[0].tags[282].value == (4 * factor, 1)
        assert tiff.series[0].shape == (12 * factor, 20 * factor)


@pytest.mark.parametrize("factor", [1, 4])
def test_ome(factor, tmp_path):
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    told = {"axes": "YX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(first, PIXELS, ome=True, metadata=told)
    restore(first, second, factor)
    with tifffile.TiffFile(second) as tiff:
        assert tiff.is_ome
        assert tiff.series[0].shape == (12 * factor, 20 * factor)
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pytest.approx(0.1 / factor)
    assert pixels["PhysicalSizeY"] == pytest.approx(0.2 / factor)
    assert pixels["PhysicalSizeZ"] == 0.5
    assert (pixels["SizeX"], pixels["SizeY"]) == (20 * factor, 12 * factor)


def test_a_page_of_an_ome_stack_has_its_resolution(tmp_path):
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.tif"
    told = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    tifffile.imwrite(first, np.stack([PIXELS] * 3), ome=True, metadata=told)
    restore(first, second, 2)
    with tifffile.TiffFile(second) as tiff:
        assert not tiff.is_ome  # that tells of three
        assert tiff.pages[0].get_resolution("MICROMETER") == pytest.approx((4, 8))


@pytest.mark.parametrize("unit", ["CENTIMETER", "INCH", "NONE"])
def test_a_resolution_of_any_unit_is_enlarged(unit, tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(first, PIXELS, resolution=(118.5, 118.5), resolutionunit=unit, metadata=None)
    restore(first, second, 3)
    with tifffile.TiffFile(second) as tiff:
        assert tiff.pages[0].resolution == pytest.approx((355.5, 355.5))
        assert tiff.pages[0].resolutionunit.name == unit


def test_date_and_names_come_back(tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    artist = [(315, 2, 0, "José".encode(), True), (33432, 2, 0, b"(c) me", True)]
    date = "2020:01:02 03:04:05"
    tifffile.imwrite(first, PIXELS, datetime=date, software="s", extratags=artist, metadata=None)
    restore(first, second)
    with tifffile.TiffFile(second) as tiff:
        tags = tiff.pages[0].tags
        assert [tags[code].value for code in (306, 305, 315, 33432)] == [
            date,
            "s",
            "José",
            "(c) me",
        ]
        assert tags[270].value == "{}"
    restore(first, second, strip=True)
    with tifffile.TiffFile(second) as tiff:
        assert not {306, 315, 33432, 270} & {tag.code for tag in tiff.pages[0].tags}
