"""What the gallery shows: pictures of scikit-image, their damage, and the command against it."""

import functools
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dip_jax import damage
from dip_jax.metrics import to_uint8
from dip_jax.operators import motion_kernel

SIZE = 160  # side of a picture in pixels
LICENCES = {
    "astronaut": "Eileen Collins, by NASA, in the public domain",
    "camera": "Lav Varshney, CC0",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
    "grass": "CC0, from CC0Textures",
    "hubble_deep_field": "NASA, in the public domain",
    "rocket": "SpaceX, in the public domain",
}

Files = dict[str, bytes]


class Exhibit(NamedTuple):
    """One picture, its damage and the command against it."""

    name: str  # of its files
    title: str
    picture: str  # a function of skimage.data
    square: tuple[int, int, int]  # what is taken of it: top, left, side
    damage: Callable[[np.ndarray], Files]  # the original -> the files that the command gets
    words: tuple[str, ...]  # the command's; the first is the damaged file
    remark: str


def load(exhibit: Exhibit) -> np.ndarray:
    """Returns the original, float32 ``[SIZE, SIZE, c]`` in [0, 1], of 8 bits."""
    from skimage import data
    from skimage.transform import resize

    top, left, side = exhibit.square
    whole = getattr(data, exhibit.picture)()
    square = whole[top : top + side, left : left + side]
    small = resize(square, (SIZE, SIZE), anti_aliasing=side > SIZE)
    return _round(small[:, :, None] if small.ndim == 2 else small)


def _round(image: np.ndarray) -> np.ndarray:
    return to_uint8(image).astype(np.float32) / 255


def _encode(image: np.ndarray, format: str = "PNG", **options: int) -> bytes:
    """Returns the bytes of a file of 8 bits."""
    pixels = to_uint8(image)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def _grain(name: str, sigma: float, image: np.ndarray) -> Files:
    return {name: _encode(damage.add_noise(image, sigma, seed=0))}


def _photons(image: np.ndarray) -> Files:
    return {"stars.png": _encode(damage.add_poisson_noise(image, 16, seed=0))}


def _specks(image: np.ndarray) -> Files:
    """Makes 8 % of the pixels black or white."""
    draws = np.random.default_rng(0).random((SIZE, SIZE, 1))
    return {"specks.png": _encode(np.where(draws < 0.04, 0, np.where(draws > 0.96, 1, image)))}


def _scratches(image: np.ndarray) -> Files:
    """Draws scratches, a hair and a line of text, and the mask of all three."""
    random = np.random.default_rng(4)
    marks = Image.new("L", (SIZE, SIZE), 255)
    draw = ImageDraw.Draw(marks)
    for start in np.linspace(0.15, 0.9, 4) * SIZE:
        across = np.cumsum(random.normal(0, 2, 12)) + start
        draw.line([*zip(across, np.linspace(-5, SIZE + 5, 12), strict=True)], fill=0, width=2)
    draw.arc((20, 40, 125, 145), 150, 330, fill=0, width=3)
    draw.text((60, 128), "12 MAY 1987", fill=0, font_size=15, stroke_width=0.5)
    mask = (np.asarray(marks) > 250)[:, :, None].astype(np.float32)
    colour = np.array([0.95, 0.9, 0.75], np.float32)
    return _masked("cat.png", image, mask, colour)


def _missing(image: np.ndarray) -> Files:
    mask = damage.random_mask((SIZE, SIZE), 0.75, seed=0)
    return _masked("quarter.png", image, mask, np.zeros(1, np.float32))


def _hole(image: np.ndarray) -> Files:
    mask = np.ones((SIZE, SIZE, 1), np.float32)
    mask[40:82, 28:70] = 0
    return _masked("hole.png", image, mask, np.zeros(3, np.float32))


def _masked(name: str, image: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> Files:
    return {name: _encode(np.where(mask > 0, image, colour)), "mask.png": _encode(mask)}


def _shrink(image: np.ndarray) -> Files:
    small = Image.fromarray(to_uint8(image)).resize((SIZE // 4,) * 2, Image.Resampling.LANCZOS)
    return {"small.png": _encode(np.asarray(small, np.float32) / 255)}


def _motion(image: np.ndarray) -> Files:
    blurred = damage.blur(image, motion_kernel(9, 30))
    return {"moved.png": _encode(damage.add_noise(blurred, 2, seed=0))}


def _blocks(image: np.ndarray) -> Files:
    return {"blocky.jpg": _encode(image, "JPEG", quality=10)}


EXHIBITS = (
    Exhibit(
        "grain",
        "Grain",
        "coffee",
        (0, 100, 400),
        functools.partial(_grain, "grain.png", 25),
        ("grain.png",),
        "White noise of sigma 25, whose level the command estimates.",
    ),
    Exhibit(
        "photons",
        "Few photons",
        "hubble_deep_field",
        (300, 300, 160),
        _photons,
        ("stars.png", "--noise=poisson"),
        "Photon noise, stronger where the picture is bright. The flag names the kind; the level is "
        "estimated. Without the flag, the kind is found: 31.4 dB.",
    ),
    Exhibit(
        "specks",
        "Specks",
        "rocket",
        (100, 200, 240),
        _specks,
        ("specks.png",),
        "8 % of the pixels are black or white; they are found and filled.",
    ),
    Exhibit(
        "scratches",
        "Scratches and writing",
        "chelsea",
        (0, 80, 300),
        _scratches,
        ("cat.png", "--mask=mask.png"),
        "The mask is black where the picture is spoiled.",
    ),
    Exhibit(
        "missing",
        "Three of four pixels missing",
        "camera",
        (60, 130, 260),
        _missing,
        ("quarter.png", "--mask=mask.png"),
        "Single pixels are missing instead of areas.",
    ),
    Exhibit(
        "enlarging",
        "Too small",
        "astronaut",
        (0, 128, 200),
        _shrink,
        ("small.png", "--factor=4"),
        "40x40 pixels become 160x160. *Before* repeats each pixel.",
    ),
    Exhibit(
        "blur",
        "Moved while exposing",
        "camera",
        (60, 130, 260),
        _motion,
        ("moved.png", "--kernel=motion:9,30"),
        "Blurred along 9 pixels, 30 degrees up, with noise of sigma 2. The kernel is given.",
    ),
    Exhibit(
        "blocks",
        "JPEG blocks",
        "astronaut",
        (0, 128, 200),
        _blocks,
        ("blocky.jpg", "--task=reconstruct"),
        "JPEG of quality 10.",
    ),
    Exhibit(
        "hole",
        "What it can't do: a hole where something was",
        "chelsea",
        (0, 80, 300),
        _hole,
        ("hole.png", "--mask=mask.png"),
        "The fill continues the colours around it, but does not know that cats have two eyes.",
    ),
    Exhibit(
        "texture",
        "What it can't do: texture like noise",
        "grass",
        (0, 0, 160),
        functools.partial(_grain, "lawn.png", 25),
        ("lawn.png",),
        "Fine blades of grass look as random as the noise, and much of them goes with it.",
    ),
)
