"""Removing noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

import dip_jax
from dip_jax import damage, non_local
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import check_boolean
from dip_jax.app.recipe.tasks.base import (
    GAIN,
    NOISE,
    NOISE_FROM,
    REFINE,
    SIGMA,
    Arrays,
    Degraded,
    Flag,
    Measured,
    Options,
    TaskSpec,
)
from dip_jax.base import Array, Image, Task
from dip_jax.noise import NoiseModel, match_median


@dataclass(frozen=True)
class Denoise(TaskSpec):
    """Fits a noisy picture itself, or learns from it."""

    name = "denoise"
    default_rule = "held_out"
    takes_noise = True
    filler = "inpaint"
    damage_flag = "add_noise"
    flags = (
        NOISE,
        SIGMA,
        GAIN,
        NOISE_FROM,
        Flag("add_noise", bool, False, "Demonstration: --image is clean; add noise to it first."),
        REFINE,
    )

    refine: bool = False
    """Whether the fit's result is refined by :func:`dip_jax.non_local.refine`."""

    @property
    def needs_noise(self) -> bool:
        return self.refine

    @property
    def filler_settings(self) -> Mapping[str, Any]:
        return {"refine": self.refine}

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

    def check(self) -> None:
        check_boolean("refine", self.refine)

    def suit(self, *, feeds_noise: bool) -> Self:
        return self if feeds_noise else self.replace(refine=False)

    def resolve(self, noise: NoiseModel | None) -> Self:
        gains = noise is not None and bool(noise.level)
        return self if gains else self.replace(refine=False)

    def improve(self, image: np.ndarray, measured: Measured) -> np.ndarray:
        if not self.refine:
            return image
        y, known, noise, *_ = measured
        assert noise is not None
        return np.asarray(non_local.refine(y, image, noise, known))

    def finish(
        self, image: np.ndarray, y: np.ndarray, data: Arrays, noise: NoiseModel | None
    ) -> np.ndarray:
        del data
        if not self.refine or noise is None or noise.kernel is None:
            return image
        return match_median(y, image, noise)  # tiles shifted each by itself would show

    def check_options(self, options: Options) -> None:
        if options["noise"] == "camera" and options["add_noise"]:
            raise UserError("noise", "camera", "can't go with --add_noise; drop one of them")
        if options["noise_from"] is None:
            return
        for name in ("sigma", "gain", "add_noise"):
            if options[name]:
                raise UserError(name, options[name], "can't go with --noise_from; drop one of them")
        if options["noise"] != "auto":
            raise UserError("noise", options["noise"], "can't go with --noise_from; drop one")

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        if not (demonstration or options["add_noise"]):
            return None
        if options["noise"] == "camera":
            raise UserError("noise", "camera", "needs an --image; name one")
        if options["noise"] == "poisson":
            gain = 5.0 if options["gain"] is None else options["gain"]
            observed = damage.add_poisson_noise(image, gain, seed)
            words = f"with Poisson noise of gain {gain:g} added"
            return Degraded(observed, image, words, noise=NoiseModel("poisson", gain))
        sigma = 25.0 if options["sigma"] is None else options["sigma"]
        observed = damage.add_noise(image, sigma, seed)
        words = f"with noise of sigma {sigma:g} added"
        return Degraded(observed, image, words, noise=NoiseModel("gaussian", sigma))
