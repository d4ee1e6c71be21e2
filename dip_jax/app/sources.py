"""The pictures of a run: read from the files that flags name, or damaged for a demonstration."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from dip_jax.app import degrade
from dip_jax.app.errors import UserError
from dip_jax.app.pictures import read_mask, read_picture
from dip_jax.app.problem import MAX_FACTOR


class Inputs(NamedTuple):
    """The pictures of a run."""

    name: str
    observed: np.ndarray
    alpha: np.ndarray | None
    mask: np.ndarray | None
    reference: np.ndarray | None
    sigma: float | None
    damage: str
    """What was done to a clean picture, in words; empty for a real one."""


def read_inputs(values: flags.FlagValues, task: str) -> Inputs:
    """Reads and checks everything that the flags name.

    Raises:
      UserError: for a number out of range, flags that do not go together, a bad file.
    """
    _check_numbers(values)
    _check_combinations(values, task)
    return _inputs(values, task)


def _check_numbers(values: flags.FlagValues) -> None:
    if not 2 <= values.factor <= MAX_FACTOR:
        raise UserError("--factor", values.factor, f"must be from 2 to {MAX_FACTOR}")
    if values.sigma is not None and not 0 < values.sigma <= 255:
        raise UserError("--sigma", values.sigma, "must be above 0 and at most 255 levels")
    if values.missing is not None and not 0 < values.missing < 100:
        raise UserError("--missing", values.missing, "must be a percentage between 0 and 100")
    if values.jpeg_quality is not None and not 1 <= values.jpeg_quality <= 95:
        raise UserError("--jpeg_quality", values.jpeg_quality, "must be from 1 to 95")
    if values.seed < 0:
        raise UserError("--seed", values.seed, "must be 0 or more")


def _check_combinations(values: flags.FlagValues, task: str) -> None:
    # A flag that another task reads would be ignored in silence.
    for name, tasks in {
        "mask": ("inpaint",),
        "missing": ("inpaint",),
        "add_noise": ("denoise",),
        "downsample": ("super_resolve",),
        "jpeg_quality": ("reconstruct",),
    }.items():
        if values[name].value not in (None, False) and task not in tasks:
            raise UserError(
                f"--{name}",
                values[name].value,
                f"has no meaning for --task={task}; it belongs to {tasks[0]}",
            )
    damaged = [
        n
        for n in ("missing", "add_noise", "downsample", "jpeg_quality")
        if values[n].value not in (None, False)
    ]
    if damaged and values.reference is not None:
        raise UserError(
            "--reference",
            values.reference,
            f"can't go with --{damaged[0]}, where --image is the reference",
        )
    if values.mask is not None and values.missing is not None:
        raise UserError("--missing", values.missing, "can't go with --mask; drop one of them")


def _inputs(values: flags.FlagValues, task: str) -> Inputs:
    demonstration = values.image is None
    if demonstration:
        if values.mask is not None or values.reference is not None:
            flag = "mask" if values.mask is not None else "reference"
            raise UserError(f"--{flag}", values[flag].value, "needs an --image")
        name, image, alpha = "astronaut", degrade.demonstration_picture(), None
    else:
        image, alpha = read_picture(values.image)
        name = Path(values.image).stem
    if task == "inpaint":
        return _inputs_with_holes(values, name, image, alpha)
    sigma, damage, reference = values.sigma, "", image
    observed = image
    if task == "denoise" and (demonstration or values.add_noise):
        sigma = 25.0 if sigma is None else sigma
        observed = degrade.add_noise(image, sigma, values.seed)
        damage = f"with noise of sigma {sigma:g} added"
    elif task == "super_resolve" and (demonstration or values.downsample):
        if min(image.shape[:2]) < values.factor:
            raise UserError("--factor", values.factor, f"is more than {name} has pixels")
        rows, columns = (size - size % values.factor for size in image.shape[:2])
        reference = image[:rows, :columns]
        alpha = None if alpha is None else alpha[:rows, :columns]
        observed = np.clip(degrade.shrink(reference, values.factor), 0, 1)
        damage = f"shrunk to {observed.shape[1]}x{observed.shape[0]}"
    elif task == "reconstruct" and (demonstration or values.jpeg_quality is not None):
        quality = 10 if values.jpeg_quality is None else values.jpeg_quality
        observed = degrade.jpeg(image, quality)
        damage = f"as JPEG of quality {quality}"
    else:
        reference = _reference(values, image, values.factor if task == "super_resolve" else 1)
    return Inputs(name, observed, alpha, None, reference, sigma, damage)


def _inputs_with_holes(
    values: flags.FlagValues, name: str, image: np.ndarray, alpha: np.ndarray | None
) -> Inputs:
    if values.mask is None and (values.missing is not None or values.image is None):
        percent = 50.0 if values.missing is None else values.missing
        mask = degrade.random_mask(image.shape[:2], percent / 100, values.seed)
        if mask.min() == mask.max():
            raise UserError("--missing", percent, f"leaves {name} whole or empty; change it")
        reference, damage = image, f"with {percent:g} % of its pixels hidden"
    elif values.mask is None:
        raise UserError(
            "--mask", None, "is needed for --task=inpaint; or hide pixels with --missing=50"
        )
    else:
        mask, remarks = read_mask(values.mask, image.shape, invert=values.invert_mask)
        for remark in remarks:
            print(f"dip-jax: note: {remark}", file=sys.stderr)
        reference, damage = _reference(values, image, 1), ""
    return Inputs(name, image * mask, alpha, mask, reference, values.sigma, damage)


def _reference(values: flags.FlagValues, image: np.ndarray, factor: int) -> np.ndarray | None:
    if values.reference is None:
        return None
    reference = read_picture(values.reference, flag="--reference").image
    wanted = (image.shape[0] * factor, image.shape[1] * factor, image.shape[2])
    if reference.shape != wanted:
        size = "{1}x{0} with {2} channels".format
        raise UserError(
            "--reference",
            values.reference,
            f"is {size(*reference.shape)}; the result will be {size(*wanted)}",
        )
    return reference
