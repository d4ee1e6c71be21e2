"""Filling holes."""

import numbers
from dataclasses import dataclass

import numpy as np

import dip_jax
from dip_jax import damage, filling
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_mask
from dip_jax.app.recipe.tasks.base import (
    KEEP_KNOWN,
    Arrays,
    Data,
    Degraded,
    Flag,
    Options,
    TaskSpec,
)
from dip_jax.base import Array, Image, Task

_MOST_GROWTH = 1000  # pixels


def _read(path: str, picture: np.ndarray, options: Options) -> tuple[np.ndarray, list[str]]:
    return read_mask(path, picture.shape, invert=options["invert_mask"], grow=options["grow_mask"])


def _check(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Returns float32 ``[h, w, 1]`` of zeros and ones, or raises a UserError."""
    mask = np.asarray(mask)
    if mask.ndim == 2:
        mask = mask[:, :, None]
    wanted = (*picture.shape[:2], 1)
    if mask.shape != wanted:
        raise UserError("mask", f"array of shape {mask.shape}", f"must be {wanted}")
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


MASK = Data(
    Flag(
        "mask",
        str,
        None,
        "For inpaint: a picture of the same size, white where the image is known, black where it "
        "is to be filled. With many pictures, one for all, or a folder with one of the same name "
        "(or name_mask) for each.",
    ),
    _read,
    _check,
    "give the known pixels, or hide some with --missing",
)


@dataclass(frozen=True)
class Inpaint(TaskSpec):
    """Fits the known pixels; what the network makes of the holes fills them."""

    name = "inpaint"
    default_rule = "held_out"
    has_holes = True
    raw_as = "restored, known pixels not put back"
    data = (MASK,)
    damage_flag = "missing"
    flags = (
        Flag("invert_mask", bool, False, "Black is known, white is to be filled."),
        Flag(
            "grow_mask",
            int,
            0,
            "Pixels by which the holes grow, for a mask that leaves the rim of the damage.",
        ),
        KEEP_KNOWN,
        Flag(
            "missing", float, None, "Demonstration: hide this percentage of --image's pixels first."
        ),
    )

    missing: float = 50.0
    """Percentage of pixels that a demonstration hides."""
    keep_known: bool = True
    """Whether known pixels are put back into the result, and the holes made to join them."""

    def check(self) -> None:
        if not isinstance(self.missing, numbers.Real) or not 0 < self.missing < 100:
            raise UserError("missing", self.missing, "must be a percentage between 0 and 100")

    def check_options(self, options: Options) -> None:
        grow = options["grow_mask"]
        if not 0 <= grow <= _MOST_GROWTH:
            raise UserError("grow_mask", grow, f"must be from 0 to {_MOST_GROWTH} pixels")
        if options["mask"] is not None and options["missing"] is not None:
            raise UserError("missing", options["missing"], "can't go with --mask; drop one of them")
        for name in ("invert_mask", "grow_mask"):
            if options["mask"] is None and options[name]:
                raise UserError(name, options[name], "needs a --mask")

    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        del data
        return dip_jax.denoise(y, known=known, reference=reference, region=region)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        if options["missing"] is None and not demonstration:
            return None
        mask = damage.random_mask(image.shape[:2], self.missing / 100, seed)
        if mask.min() == mask.max():
            problem = "leaves the picture whole or empty; change it"
            raise UserError("missing", self.missing, problem)
        words = f"with {self.missing:g} % of its pixels hidden"
        return Degraded(image * mask, image, words, {"mask": mask})

    def known(self, data: Arrays) -> np.ndarray | None:
        return data["mask"]

    def join(
        self,
        filled: np.ndarray,
        y: np.ndarray,
        known: np.ndarray,
        held: np.ndarray,
        *,
        hides_pixels: bool,
    ) -> np.ndarray:
        if not self.keep_known:
            return filled
        return filling.join_known(filled, y, known, held, predicted=hides_pixels)

    def exact(self, data: Arrays) -> np.ndarray | None:
        return data["mask"] if self.keep_known else None
