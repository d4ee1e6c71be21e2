"""Enlarging."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import MAX_PIXELS
from dip_jax.app.files.pictures import Picture
from dip_jax.app.recipe import degrade
from dip_jax.app.recipe.records import check_integer
from dip_jax.app.recipe.tasks.base import KEEP_KNOWN, Arrays, Degraded, Flag, Options, TaskSpec
from dip_jax.base import Array, Image, Task
from dip_jax.noise import NoiseModel
from dip_jax.operators import lanczos_taps
from dip_jax.projection import project_onto_small_picture

MAX_FACTOR = 16
_FINE_QUALITY = 95  # of a JPEG whose errors cost less than agreement gains


@dataclass(frozen=True)
class SuperResolve(TaskSpec):
    """Finds a larger picture that gives the small one when it is downsampled."""

    name = "super_resolve"
    measures_pixels = False
    on_canvas = False
    shown_as = "bicubic"
    raw_as = "restored, as fitted"
    scores_luma = True
    damage_flag = "downsample"
    flags = (
        KEEP_KNOWN,
        Flag("factor", int, None, "For super_resolve: how many times larger [the preset's]."),
        Flag("downsample", bool, False, "Demonstration: shrink --image by --factor first."),
    )

    factor: int = 4
    """How many times larger the result is."""
    lanczos_lobes: int = 2
    """Lobes of the Lanczos filter that is assumed to have made the picture small: 3 in Pillow and
    most programs, 2 in the paper's loss."""
    keep_known: bool | None = None
    """Whether the result is made to agree with the small picture; None: yes, unless its file
    suggests otherwise."""

    def check(self) -> None:
        check_integer("factor", self.factor, 2, MAX_FACTOR)
        if self.keep_known not in (None, True, False):
            raise UserError("keep_known", self.keep_known, "must be True or False")
        if self.lanczos_lobes not in (2, 3):
            raise UserError("lanczos_lobes", self.lanczos_lobes, "must be 2 or 3")

    def suit_file(self, picture: Picture) -> Mapping[str, tuple[Any, str]]:
        quality = picture.origin.encoding.get("quality")
        if quality is None or quality >= _FINE_QUALITY:
            return {}
        remark = "is a JPEG file, so the result need not agree with it; --keep_known makes it agree"
        return {"keep_known": (False, remark)}

    def resolve(self, noise: NoiseModel | None) -> Self:
        del noise
        return self.replace(keep_known=True) if self.keep_known is None else self

    def check_picture(self, y: np.ndarray) -> None:
        if y.shape[0] * y.shape[1] * self.factor**2 > MAX_PIXELS:
            problem = "would make more than 64 megapixels; take a smaller one"
            raise UserError("factor", self.factor, problem)

    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        del data, region
        taps = lanczos_taps(self.factor, self.lanczos_lobes)
        return dip_jax.super_resolve(y, self.factor, taps=taps, known=known, reference=reference)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        del seed
        if not (demonstration or options["downsample"]):
            return None
        if min(image.shape[:2]) < self.factor:
            problem = "the picture has fewer pixels than that; take a smaller one"
            raise UserError("factor", self.factor, problem)
        rows, columns = (size - size % self.factor for size in image.shape[:2])
        reference = image[:rows, :columns]
        observed = np.clip(degrade.shrink(reference, self.factor), 0, 1)
        words = f"shrunk to {observed.shape[1]}x{observed.shape[0]}"
        return Degraded(observed, reference, words)

    def enlarge(self, y: np.ndarray) -> np.ndarray:
        return degrade.enlarge(y, self.factor)

    def combine(self, images: list[np.ndarray], y: np.ndarray) -> np.ndarray:
        if len(images) == 1:
            return super().combine(images, y)
        if self.keep_known:
            base, *images = (self._project(image, y) for image in (self.enlarge(y), *images))
        else:  # the picture may have noise and blocks, which the fits have left out
            mean = super().combine(images, y)
            base = self.enlarge(degrade.shrink(mean, self.factor))
        return dip_jax.combine_by_agreement(np.stack(images), base)

    def finish(
        self, image: np.ndarray, y: np.ndarray, data: Arrays, noise: NoiseModel | None
    ) -> np.ndarray:
        del data, noise
        return self._project(image, y) if self.keep_known else image

    def _project(self, image: np.ndarray, y: np.ndarray) -> np.ndarray:
        return project_onto_small_picture(image, y, self.factor, self.lanczos_lobes)
