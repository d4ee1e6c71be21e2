"""From a picture to the fit's terms: checked arrays, a canvas, a task, an input."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.presets import Preset
from dip_jax.base import Task
from dip_jax.operators import Crop


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

    def pad(self, image: jax.Array) -> jax.Array:
        """Mirrors the picture ``[h, w, c]`` into the margins; undone by ``crop``."""
        crop = self.crop
        below, right = self.height - crop.top - crop.height, self.width - crop.left - crop.width
        return jnp.pad(image, ((crop.top, below), (crop.left, right), (0, 0)), mode="reflect")


def canvas(height: int, width: int, stride: int) -> Window:
    """The generator's size for a picture: a multiple of the stride, the picture centred.

    The generator paints a canvas a little larger than the picture, on which nothing is asked
    of the margin: any size works and no pixel is counted twice. At least two pixels remain
    at the coarsest scale, where a single one would normalise to nothing.
    """
    tall, wide = (max(2, -(-size // stride)) * stride for size in (height, width))
    return Window(tall, wide, Crop((tall - height) // 2, (wide - width) // 2, height, width))


def make_task(
    preset: Preset, y: jax.Array, known: jax.Array | None, truth: np.ndarray | None
) -> Task:
    """The preset's task for the picture ``y``; ``known`` is 1 where it counts."""
    reference = None if truth is None else jnp.asarray(truth)
    if preset.task == "super_resolve":
        return dip_jax.super_resolve(y, preset.factor, known=known, reference=reference)
    if preset.task == "reconstruct":
        return dip_jax.reconstruct(y, known=known, reference=reference)
    return dip_jax.denoise(y, known=known, reference=reference)  # with holes, inpainting


def make_input(
    preset: Preset,
    seen: jax.Array,
    window: Window,
    deviation: jax.Array | None,
    key: jax.Array,
) -> jax.Array:
    """The preset's z for a window.

    ``seen`` is the degraded picture at the result's size, ``deviation`` that of its noise.
    """
    if preset.alpha:
        assert deviation is not None
        return jnp.concatenate([seen, deviation], axis=2)
    if preset.input == "meshgrid":
        return dip_jax.inputs.meshgrid(window.height, window.width)
    if preset.input == "noise":
        return dip_jax.inputs.uniform(key, window.height, window.width, preset.depth)
    return window.pad(seen)
