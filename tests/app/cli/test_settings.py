"""Settings in the metadata of results, beside those of the picture's file."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from dip_jax.app.cli import command, picture
from tests.app.common import without_fit

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 27, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def no_fit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(picture, "restore", without_fit)


def restore(*argv):
    assert command.main([*argv, "--seed=7", "--sigma=25", "--overwrite"]) == 0


def check(text):
    told = json.loads(text)
    assert told["program"].startswith("dip-jax 0.")
    assert told["seed"] == 7
    assert told["settings"]["name"] == "fast"
    assert told["settings"]["counts"]["steps"] == 400


def texts(path):
    with Image.open(path) as image:
        image.load()
        return dict(image.text)


def test_png_of_8_and_16_bits():
    Image.fromarray(PIXELS).save("p.png")
    restore("p.png")
    check(texts("p_restored.png")["dip-jax"])
    tifffile.imwrite("deep.tif", PIXELS.astype(np.uint16) * 257)
    restore("deep.tif", "deep.png")
    check(texts("deep.png")["dip-jax"])
    restore("--image=p.png", "--out=folder")
    check(texts("folder/restored.png")["dip-jax"])
    assert texts("folder/comparison.png") == {}


def test_tiff():
    tifffile.imwrite("p.tif", PIXELS.astype(np.uint16), metadata=None)
    restore("p.tif")
    with tifffile.TiffFile("p_restored.tif") as tiff:
        check(tiff.pages[0].description)
    tifffile.imwrite("own.tif", PIXELS, description="the old mill", metadata=None, software="s")
    restore("own.tif")
    with tifffile.TiffFile("own_restored.tif") as tiff:
        assert tiff.pages[0].description == "the old mill"
        assert tiff.pages[0].software == "s"


def test_jpeg():
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    Image.fromarray(PIXELS).save("p.jpg", exif=exif)
    restore("p.jpg")
    with Image.open("p_restored.jpg") as image:
        check(image.info["comment"])
        assert dict(image.getexif()) == {0x010F: "a maker"}
    Image.fromarray(PIXELS).save("own.jpg", comment="the old mill")
    restore("own.jpg")
    with Image.open("own_restored.jpg") as image:
        assert image.info["comment"] == b"the old mill"
    restore("own.jpg", "--strip")
    with Image.open("own_restored.jpg") as image:
        assert "comment" not in image.info


@pytest.mark.parametrize("flag", ["--nosettings", "--strip"])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_they_can_be_left_out(flag, kind):
    Image.fromarray(PIXELS).save(f"p.{kind}")
    restore(f"p.{kind}", flag)
    with open(f"p_restored.{kind}", "rb") as file:
        assert b"settings" not in file.read()


def test_a_second_restoration_tells_its_own():
    Image.fromarray(PIXELS).save("p.png")
    restore("p.png")
    assert command.main(["p_restored.png", "--sigma=25", "--seed=8"]) == 0
    assert json.loads(texts("p_restored_restored.png")["dip-jax"])["seed"] == 8
