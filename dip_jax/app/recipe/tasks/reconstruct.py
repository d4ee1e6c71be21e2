"""Removing damage of an unknown kind, such as JPEG artefacts."""

from dataclasses import dataclass

import numpy as np

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import degrade
from dip_jax.app.recipe.tasks.base import Arrays, Degraded, Flag, Options, TaskSpec
from dip_jax.base import Array, Image, Task


@dataclass(frozen=True)
class Reconstruct(TaskSpec):
    """Fits a damaged picture itself; what the network is slow to fit is left out."""

    name = "reconstruct"
    independent_pixels = False
    damage_flag = "jpeg_quality"
    flags = (
        Flag(
            "jpeg_quality",
            int,
            None,
            "Demonstration: compress --image with this quality first.",
        ),
    )

    def check_options(self, options: Options) -> None:
        quality = options["jpeg_quality"]
        if quality is not None and not 1 <= quality <= 95:
            raise UserError("jpeg_quality", quality, "must be from 1 to 95")

    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        del data
        return dip_jax.reconstruct(y, known=known, reference=reference, region=region)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        del seed
        quality = options["jpeg_quality"]
        if quality is None and not demonstration:
            return None
        quality = 10 if quality is None else quality
        if image.shape[2] not in (1, 3):
            raise UserError("jpeg_quality", quality, "needs a grey or RGB picture")
        return Degraded(degrade.jpeg(image, quality), image, f"as JPEG of quality {quality}")
