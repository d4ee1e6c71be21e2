import numpy as np
import pytest
from PIL import Image

from dip_jax.app.recipe import degrade


def test_the_demonstration_picture():
    picture = degrade.demonstration_picture()
    assert (picture.shape, picture.dtype) == ((256, 256, 3), np.float32)
    assert 0 <= picture.min() < 0.1
    assert 0.9 < picture.max() <= 1


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_flat_pictures_stay_flat(channels):
    flat = np.full((12, 20, channels), 0.3, np.float32)
    small = degrade.shrink(flat, 4)
    assert small.shape == (3, 5, channels)
    np.testing.assert_allclose(small, 0.3, atol=1e-6)
    np.testing.assert_allclose(degrade.enlarge(small, 4), flat, atol=1e-6)


def test_filters_are_pillows():
    image = np.random.default_rng(0).random((16, 24, 1), np.float32)
    plane = Image.fromarray(image[:, :, 0])
    small = np.asarray(plane.resize((12, 8), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(degrade.shrink(image, 2)[:, :, 0], small)
    large = np.asarray(plane.resize((48, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(degrade.enlarge(image, 2)[:, :, 0], np.clip(large, 0, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_more_at_lower_quality(channels):
    image = np.random.default_rng(0).random((24, 32, channels), np.float32)
    errors = [np.abs(degrade.jpeg(image, quality) - image).mean() for quality in (95, 50, 5)]
    assert degrade.jpeg(image, 50).shape == image.shape
    assert 0 < errors[0] < errors[1] < errors[2]
