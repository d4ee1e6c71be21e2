"""From a picture to the fit's terms: checked arrays, a canvas, a task, an input."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.settings import Preset
from dip_jax.base import Task
from dip_jax.operators import Crop, lanczos_taps


def as_image(name: str, picture: np.ndarray) -> np.ndarray:
    """float32 ``[h, w, 1 | 3]`` in [0, 1], or a UserError."""
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or 0 in picture.shape:
        raise UserError(
            name,
            f"array of shape {picture.shape}",
            "must be [h, w], [h, w, 1] or [h, w, 3]",
        )
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


def as_mask(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """float32 ``[h, w, 1]`` of zeros and ones for ``image``, or a UserError."""
    mask = np.asarray(mask)
    if mask.ndim == 2:
        mask = mask[:, :, None]
    if mask.shape != (*image.shape[:2], 1):
        raise UserError("mask", f"array of shape {mask.shape}", f"must be {(*image.shape[:2], 1)}")
    if not np.isin(mask, (0, 1)).all():
        raise UserError(
            "mask",
            f"array of {mask.dtype}",
            "must hold 0 (fill) and 1 (known) only; of a picture, mask > 127",
        )
    mask = mask.astype(np.float32)
    if mask.min() == mask.max():
        state = "missing" if mask.max() else "known"
        raise UserError("mask", f"all {mask.max():g}", f"nothing is {state}; 1 is known, 0 fill")
    return mask


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
        """int32 ``[height, width]``: the pixel that each of the canvas repeats, counted by rows."""
        own = np.arange(self.height * self.width, dtype=np.int32)
        own = own.reshape(self.height, self.width, 1)
        return self.pad(self.crop(own))[:, :, 0]

    @property
    def inside(self) -> np.ndarray:
        """float32 ``[height, width, 1]``: 1 where the picture lies, 0 in the margins."""
        return self.surround(np.ones((self.crop.height, self.crop.width, 1), np.float32))


def canvas(height: int, width: int, stride: int) -> Window:
    """The generator's size for a picture: a multiple of the stride, the picture centred.

    The generator paints a canvas a little larger than the picture, on which nothing is asked
    of the margin: any size works and no pixel is counted twice. At least two pixels remain
    at the coarsest scale, where a single one would normalise to nothing.
    """
    tall, wide = (max(2, -(-size // stride)) * stride for size in (height, width))
    return Window(tall, wide, Crop((tall - height) // 2, (wide - width) // 2, height, width))


class Problem(NamedTuple):
    """A picture as the fit gets it.

    To enlarge, that is the picture itself; the result is seen through ``window.crop``, since
    downsampling mirrors at the picture's border. For all other tasks it lies on the canvas:
    then pictures of many sizes share the programs of one canvas.
    """

    y: np.ndarray
    """float32 ``[h, w, c]``."""
    known: np.ndarray
    """float32 ``[h, w, 1]``: 1 where ``y`` was measured, 0 in holes and margins."""
    truth: np.ndarray | None
    """The reference, of the result's size, if there is one."""
    region: np.ndarray
    """float32 ``[h, w, 1]``: 1 where ``truth`` counts."""
    mirror: np.ndarray
    """int32 ``[h, w]``: the pixel that each of ``y`` repeats, counted by rows; its own number
    but for the margins."""
    window: Window
    """Of the result."""


def place(
    preset: Preset,
    y: np.ndarray,
    known: np.ndarray | None,
    truth: np.ndarray | None,
    stride: int,
) -> Problem:
    """Puts a picture on its canvas; ``known`` None is everywhere."""
    if preset.task == "super_resolve":
        height, width = (size * preset.factor for size in y.shape[:2])
        window = canvas(height, width, stride)
        everywhere = np.ones((*y.shape[:2], 1), np.float32)
        region = np.ones((height, width, 1), np.float32)
        itself = np.arange(y.shape[0] * y.shape[1], dtype=np.int32).reshape(y.shape[:2])
        return Problem(y, everywhere, truth, region, itself, window)
    window = canvas(y.shape[0], y.shape[1], stride)
    measured = window.inside if known is None else window.surround(known)
    reference = None if truth is None else window.surround(truth)
    return Problem(window.pad(y), measured, reference, window.inside, window.mirror, window)


def scattered(known: np.ndarray) -> bool:
    """Whether single pixels are missing in ``known [h, w, 1]``, here and there, not areas.

    So it is if a missing pixel's neighbours, in a row as in a column, are hardly more often
    missing than other pixels are.
    """
    missing = known[:, :, 0] == 0
    beside = (missing[:, 1:] & missing[:, :-1], missing[1:] & missing[:-1])
    most = max(pairs.mean() if pairs.size else 0.0 for pairs in beside)
    return bool(most <= missing.mean() * (missing.mean() + 0.1))


def make_task(
    preset: Preset,
    y: jax.Array,
    known: jax.Array,
    truth: np.ndarray | None = None,
    region: np.ndarray | None = None,
) -> Task:
    """The preset's task for ``y``; it counts where ``known`` is 1, the truth where ``region``."""
    reference, inside = (None if array is None else jnp.asarray(array) for array in (truth, region))
    if inside is not None:  # so weighted that the loss is a mean over the picture alone
        known = known / jnp.sqrt(jnp.mean(inside))
    if preset.task == "super_resolve":
        taps = lanczos_taps(preset.factor, preset.lobes)
        return dip_jax.super_resolve(y, preset.factor, taps=taps, known=known, reference=reference)
    make = dip_jax.reconstruct if preset.task == "reconstruct" else dip_jax.denoise
    return make(y, known=known, reference=reference, region=inside)


def make_input(
    preset: Preset,
    seen: jax.Array,
    window: Window,
    known: jax.Array,
    deviation: jax.Array | None,
    cut: jax.Array | None,
    key: jax.Array,
) -> jax.Array:
    """The preset's z for a window.

    ``seen`` is the degraded picture on the canvas, ``known`` 1 where it is fitted, ``deviation``
    that of its noise, ``cut`` where this was cut off (:func:`dip_jax.clipping.cut_off`).
    """
    if preset.hide:
        return jnp.concatenate([seen, known], axis=2)
    if preset.denoiser:
        assert deviation is not None
        assert cut is not None
        return jnp.concatenate([seen, deviation, cut], axis=2)
    if preset.input == "meshgrid":
        return dip_jax.inputs.meshgrid(window.height, window.width)
    if preset.input == "noise":
        return dip_jax.inputs.uniform(key, window.height, window.width, preset.depth)
    return seen
