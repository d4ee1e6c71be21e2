"""The pictures of a run: read from the files that flags name, or damaged for a demonstration."""

import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from dip_jax.app import degrade
from dip_jax.app.errors import UserError
from dip_jax.app.noise import given_noise
from dip_jax.app.pictures import MAX_PIXELS, read_mask, read_picture
from dip_jax.app.settings import Preset


class Inputs(NamedTuple):
    """The pictures of a run."""

    name: str
    observed: np.ndarray
    alpha: np.ndarray | None
    mask: np.ndarray | None
    reference: np.ndarray | None
    sigma: float | None
    gain: float | None
    full_depth: bool
    """Whether the picture came with more than 8 bits, and so should go."""
    damage: str
    """What was done to a clean picture, in words; empty for a real one."""


class Files(NamedTuple):
    """Where a run's pictures lie; None for those that it has not."""

    image: str | None
    mask: str | None = None
    reference: str | None = None


# Flags that only some tasks read: elsewhere they would be ignored in silence.
_FLAGS_OF = {
    "mask": ("inpaint",),
    "invert_mask": ("inpaint",),
    "grow_mask": ("inpaint",),
    "keep_known": ("inpaint", "super_resolve"),
    "missing": ("inpaint",),
    "noise": ("denoise",),
    "sigma": ("denoise",),
    "gain": ("denoise",),
    "add_noise": ("denoise",),
    "factor": ("super_resolve",),
    "downsample": ("super_resolve",),
    "jpeg_quality": ("reconstruct",),
}
_DAMAGES = ("missing", "add_noise", "downsample", "jpeg_quality")


def check_flags(values: flags.FlagValues, preset: Preset) -> None:
    """Raises a UserError for a number out of range, or flags that do not go together."""
    _check_numbers(values)
    _check_combinations(values, preset.task)


def read_inputs(values: flags.FlagValues, preset: Preset, files: Files) -> Inputs:
    """Reads and checks the pictures; what is done to them, ``values`` say.

    Raises:
      UserError: for a bad file, or one that does not suit the flags.
    """
    inputs = _inputs(values, preset, files)
    rows, columns, _ = inputs.observed.shape
    if preset.task == "super_resolve" and rows * columns * preset.factor**2 > MAX_PIXELS:
        raise UserError(
            "--factor", preset.factor, "would make more than 64 megapixels; take a smaller one"
        )
    return inputs


def _check_numbers(values: flags.FlagValues) -> None:
    if values.jpeg_quality is not None and not 1 <= values.jpeg_quality <= 95:
        raise UserError("--jpeg_quality", values.jpeg_quality, "must be from 1 to 95")
    if not 0 <= values.grow_mask <= 1000:
        raise UserError("--grow_mask", values.grow_mask, "must be from 0 to 1000 pixels")
    if not 0 <= values.seed < 2**32:
        raise UserError("--seed", values.seed, "must be from 0 to 2**32 - 1")
    if not 0 <= values.checkpoint < math.inf:
        raise UserError("--checkpoint", values.checkpoint, "must be a number of seconds from 0 on")


def _check_combinations(values: flags.FlagValues, task: str) -> None:
    for name, owners in _FLAGS_OF.items():
        if values[name].present and task not in owners:
            raise UserError(
                f"--{name}",
                values[name].value,
                f"has no meaning for --task={task}; it belongs to {' and '.join(owners)}",
            )
    given_noise(values.noise, task, values.sigma, values.gain, "--")
    damaged = [name for name in _DAMAGES if values[name].value not in (None, False)]
    if damaged and values.reference is not None:
        raise UserError(
            "--reference",
            values.reference,
            f"can't go with --{damaged[0]}, where --image is the reference",
        )
    if values.mask is not None and values.missing is not None:
        raise UserError("--missing", values.missing, "can't go with --mask; drop one of them")
    for name in ("invert_mask", "grow_mask"):
        if values.mask is None and values[name].value:
            raise UserError(f"--{name}", values[name].value, "needs a --mask")


def _inputs(values: flags.FlagValues, preset: Preset, files: Files) -> Inputs:
    task, factor = preset.task, preset.factor
    demonstration = files.image is None
    if files.image is None:
        if files.mask is not None or files.reference is not None:
            flag = "mask" if files.mask is not None else "reference"
            raise UserError(f"--{flag}", getattr(files, flag), "needs an --image")
        name, image, alpha = "astronaut", degrade.demonstration_picture(), None
    else:
        image, alpha = read_picture(files.image)
        name = Path(files.image).stem
    if task == "inpaint":
        return _inputs_with_holes(values, files, preset.missing, name, image, alpha)
    sigma, gain, damage, reference = values.sigma, values.gain, "", image
    observed = image
    if task == "denoise" and (demonstration or values.add_noise):
        if values.noise == "poisson":
            gain = 5.0 if gain is None else gain
            observed = degrade.add_poisson_noise(image, gain, values.seed)
            damage = f"with Poisson noise of gain {gain:g} added"
        else:
            sigma = 25.0 if sigma is None else sigma
            observed = degrade.add_noise(image, sigma, values.seed)
            damage = f"with noise of sigma {sigma:g} added"
    elif task == "super_resolve" and (demonstration or values.downsample):
        if min(image.shape[:2]) < factor:
            raise UserError(
                "--factor", factor, "the picture has fewer pixels than that; take a smaller one"
            )
        rows, columns = (size - size % factor for size in image.shape[:2])
        reference = image[:rows, :columns]
        alpha = None if alpha is None else alpha[:rows, :columns]
        observed = np.clip(degrade.shrink(reference, factor), 0, 1)
        damage = f"shrunk to {observed.shape[1]}x{observed.shape[0]}"
    elif task == "reconstruct" and (demonstration or values.jpeg_quality is not None):
        quality = 10 if values.jpeg_quality is None else values.jpeg_quality
        observed = degrade.jpeg(image, quality)
        damage = f"as JPEG of quality {quality}"
    else:
        reference = _reference(files, image, factor if task == "super_resolve" else 1)
    deep = _is_array(files.image)
    return Inputs(name, observed, alpha, None, reference, sigma, gain, deep, damage)


def _inputs_with_holes(
    values: flags.FlagValues,
    files: Files,
    percent: float,
    name: str,
    image: np.ndarray,
    alpha: np.ndarray | None,
) -> Inputs:
    if files.mask is None and (values.missing is not None or files.image is None):
        mask = degrade.random_mask(image.shape[:2], percent / 100, values.seed)
        if mask.min() == mask.max():
            raise UserError("--missing", percent, f"leaves {name} whole or empty; change it")
        reference, damage = image, f"with {percent:g} % of its pixels hidden"
    elif files.mask is None:
        raise UserError(
            "--mask", None, "is needed for --task=inpaint; or hide pixels with --missing"
        )
    else:
        mask, remarks = read_mask(
            files.mask, image.shape, invert=values.invert_mask, grow=values.grow_mask
        )
        for remark in remarks:
            print(f"dip-jax: note: {remark}", file=sys.stderr)
        reference, damage = _reference(files, image, 1), ""
    deep = _is_array(files.image)
    return Inputs(name, image * mask, alpha, mask, reference, None, None, deep, damage)


def _is_array(path: str | None) -> bool:
    return path is not None and Path(path).suffix.lower() == ".npy"


def _reference(files: Files, image: np.ndarray, factor: int) -> np.ndarray | None:
    if files.reference is None:
        return None
    reference = read_picture(files.reference, flag="--reference").image
    wanted = (image.shape[0] * factor, image.shape[1] * factor, image.shape[2])
    if reference.shape != wanted:
        size = "{1}x{0} with {2} channels".format
        raise UserError(
            "--reference",
            files.reference,
            f"is {size(*reference.shape)}; the result will be {size(*wanted)}",
        )
    return reference
