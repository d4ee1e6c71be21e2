"""The generator as a denoiser, from one noisier copy of the picture to another."""

from collections.abc import Callable
from dataclasses import dataclass

import optax

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods.noisy import NoisyMethod
from dip_jax.app.recipe.records import check_boolean
from dip_jax.base import Algorithm, Generator, Image, Scalar
from dip_jax.noise import NoiseModel

_STRONG = 12.0  # 8-bit levels: a network learns such noise early


@dataclass(frozen=True)
class Recorrupted(NoisyMethod):
    """Recorrupted-to-recorrupted; see :func:`dip_jax.recorrupted`."""

    name = "recorrupted"
    takes_correlated = True

    noise_share: float = 0.5
    """A larger share adds more noise to the input and less to the target."""
    correlated_share: float = 0.8
    """The least ``noise_share`` for correlated noise, which a network learns sooner."""
    strong_share: float = 0.9
    """The same for such noise of more than 12 levels."""
    flips: bool = False
    """Whether each step mirrors the picture at random. Always on for strong correlated noise."""

    def check(self) -> None:
        for name in ("noise_share", "correlated_share", "strong_share"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(name, getattr(self, name), "must be above 0 and below 1")
        check_boolean("flips", self.flips)

    def adapt(self, noise: NoiseModel | None) -> "Recorrupted":
        if noise is None or noise.kernel is None:
            return self
        strong = bool(noise.level > _STRONG)
        share = max(self.noise_share, self.strong_share if strong else self.correlated_share)
        return self.replace(noise_share=share, flips=self.flips or strong)

    def build(
        self,
        generator: Generator,
        optimizer: optax.GradientTransformation,
        penalty: Callable[[Image], Scalar] | None,
    ) -> Algorithm:
        return dip_jax.recorrupted(
            generator,
            optimizer,
            noise_share=self.noise_share,
            flips=self.flips,
            penalty=penalty,
        )
