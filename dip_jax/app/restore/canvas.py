"""From a picture to the generator's canvas."""

from typing import NamedTuple

import numpy as np

from dip_jax.app.errors import UserError
from dip_jax.app.recipe import TaskSpec
from dip_jax.operators import Crop


def as_image(name: str, picture: np.ndarray) -> np.ndarray:
    """Returns a picture as float32 ``[h, w, c]`` in [0, 1].

    Raises:
      UserError: for another shape, type or range.
    """
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    shape = picture.shape
    if picture.ndim != 3 or 0 in shape:
        problem = "must be [h, w] or [h, w, channels]"
        raise UserError(name, f"array of shape {shape}", problem)
    if shape[2] > max(3, min(shape[:2])):
        problem = "must be [h, w, channels]; np.moveaxis(array, 0, -1) puts channels last"
        raise UserError(name, f"array of shape {shape}", problem)
    if picture.dtype == np.uint8:
        return picture.astype(np.float32) / np.float32(255)
    if picture.dtype.kind != "f":
        raise UserError(name, f"array of {picture.dtype}", "must be uint8, or float in [0, 1]")
    low, high = picture.min(), picture.max()
    if not (low >= 0 and high <= 1):  # so written, NaN is refused too
        raise UserError(
            name,
            f"array with values from {low} to {high}",
            "must be in [0, 1], without NaN",
        )
    return picture.astype(np.float32)


class Window(NamedTuple):
    """A canvas of ``height`` and ``width``, and where the picture lies on it."""

    height: int
    width: int
    crop: Crop

    @property
    def _margins(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        crop = self.crop
        below, right = self.height - crop.top - crop.height, self.width - crop.left - crop.width
        return (crop.top, below), (crop.left, right), (0, 0)

    def pad(self, image: np.ndarray) -> np.ndarray:
        """Mirrors the picture ``[h, w, c]`` into the margins; undone by ``crop``."""
        return np.pad(image, self._margins, mode="reflect")

    def surround(self, values: np.ndarray) -> np.ndarray:
        """Puts zeros into the margins around ``[h, w, c]``."""
        return np.pad(values, self._margins)

    @property
    def mirror(self) -> np.ndarray:
        """int32 ``[height, width]``: the pixel that each of the canvas repeats, by rows."""
        own = np.arange(self.height * self.width, dtype=np.int32)
        own = own.reshape(self.height, self.width, 1)
        return self.pad(self.crop(own))[:, :, 0]

    @property
    def inside(self) -> np.ndarray:
        """float32 ``[height, width, 1]``: 1 where the picture lies, 0 in the margins."""
        return self.surround(np.ones((self.crop.height, self.crop.width, 1), np.float32))


def canvas(height: int, width: int, stride: int, margin: int = 0) -> Window:
    """Returns the generator's size for a picture: a multiple of the stride, the picture centred.

    The generator paints a canvas a little larger than the picture, and the loss ignores the margin:
    any size works, and no pixel counts twice. At least two pixels remain at the coarsest
    scale, where a single one would normalise to nothing.
    """
    tall, wide = (max(2, -(-(size + 2 * margin) // stride)) * stride for size in (height, width))
    return Window(tall, wide, Crop((tall - height) // 2, (wide - width) // 2, height, width))


class Problem(NamedTuple):
    """A picture as the fit gets it.

    It lies on the canvas, so that pictures of many sizes share the programs of one canvas. Only
    where the task says otherwise (``on_canvas``) it is the picture itself, and the result is seen
    through ``window.crop``.
    """

    y: np.ndarray
    """float32 ``[h, w, c]``."""
    known: np.ndarray
    """float32 ``[h, w, 1]``: 1 where ``y`` was measured, 0 in holes and margins."""
    reference: np.ndarray | None
    """Of the result's size, if there is one."""
    region: np.ndarray
    """float32 ``[h, w, 1]``: 1 where the reference counts."""
    mirror: np.ndarray
    """int32 ``[h, w]``: the pixel that each of ``y`` repeats, counted by rows; its own number
    except in the margins."""
    window: Window
    """Of the result."""


def put_on_canvas(
    task: TaskSpec,
    y: np.ndarray,
    known: np.ndarray | None,
    reference: np.ndarray | None,
    stride: int,
    margin: int = 0,
) -> Problem:
    """Puts a picture on its canvas; ``known`` None means everywhere."""
    if not task.on_canvas:
        height, width = (size * task.factor for size in y.shape[:2])
        window = canvas(height, width, stride, margin)
        everywhere = np.ones((*y.shape[:2], 1), np.float32)
        region = np.ones((height, width, 1), np.float32)
        itself = np.arange(y.shape[0] * y.shape[1], dtype=np.int32).reshape(y.shape[:2])
        return Problem(y, everywhere, reference, region, itself, window)
    window = canvas(y.shape[0], y.shape[1], stride, margin)
    measured = window.inside if known is None else window.surround(known)
    reference = None if reference is None else window.surround(reference)
    return Problem(window.pad(y), measured, reference, window.inside, window.mirror, window)
