"""Pictures and marks on them, for the tests of masks."""

import numpy as np
from PIL import Image, ImageDraw

from dip_jax.app.files.masks import Marks, find_mask
from dip_jax.app.files.pictures import Picture

RNG = np.random.default_rng(0)
SHAPE = (12, 20)


def picture(height=12, width=20, channels=3, **more):
    return Picture(RNG.random((height, width, channels), np.float32), None, **more)


def saved(tmp_path, pixels, name="mask.png"):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    return path


def read(path, shape=SHAPE, of=None, **marks):
    return find_mask(of or picture(*shape[:2]), Marks(str(path), **marks))


def photo(height=96, width=128):
    """A smooth picture without pure colours."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [0.5 + 0.25 * np.sin(9 * x + 5 * y + phase) for phase in (0, 1, 2)]
    return np.rint(255 * np.stack(waves, -1)).astype(np.uint8)


def stroke(pixels, color):
    """The picture with antialiased paint on it, and where the paint is at all."""
    large = Image.new("L", (4 * pixels.shape[1], 4 * pixels.shape[0]))
    ImageDraw.Draw(large).line([(60, 60), (300, 200), (420, 330)], 255, 24)
    cover = np.asarray(large.resize(pixels.shape[1::-1], Image.Resampling.BOX))[:, :, None] / 255
    painted = cover * np.array(color) + (1 - cover) * pixels
    return np.rint(painted).astype(np.uint8), cover[:, :, 0] > 0
