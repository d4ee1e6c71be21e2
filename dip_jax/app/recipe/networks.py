"""Networks: the generators by name, with the settings that suit each."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import Record, freeze, suggest


class NetworkKind(NamedTuple):
    """A generator, and what else a preset changes when it takes this one."""

    build: Any
    """A flax module with the argument ``channels``."""
    options: tuple[tuple[str, Any], ...]
    """Keyword arguments that replace those of the preset's network."""
    settings: dict[str, Any]
    """Other settings of the preset that come with it, by the names of ``change``."""


def pairs(**options: Any) -> tuple[tuple[str, Any], ...]:
    """Returns a generator's options in the form of a preset, which is hashable."""
    return tuple(options.items())


# Narrow where maps are large; wider skip connections make up for some of it.
NARROW = pairs(widths=(32, 48, 64, 64, 64), skip_widths=16, upsampling="nearest", bias=False)
# As published: a fixed input of noise, as deep as the network is wide.
_DECODER_OPTIONS = pairs(levels=5, width=64)
_DECODER_SETTINGS = {
    "learning_rate": 0.01,
    "adam_b2": 0.999,
    "fixed_input": {"input": "noise", "depth": 64, "jitter": 0.0, "jitter_strong": None},
}
NETWORKS = {
    "skip": NetworkKind(dip_jax.Skip, NARROW, {"learning_rate": 0.01}),
    "unet": NetworkKind(dip_jax.UNet, pairs(upsampling="bilinear"), {"learning_rate": 0.001}),
    "resnet": NetworkKind(dip_jax.ResNet, pairs(blocks=8, width=32), {"learning_rate": 0.001}),
    "deep_decoder": NetworkKind(dip_jax.DeepDecoder, _DECODER_OPTIONS, _DECODER_SETTINGS),
    "conv_decoder": NetworkKind(dip_jax.ConvDecoder, _DECODER_OPTIONS, _DECODER_SETTINGS),
}


@dataclass(frozen=True)
class Network(Record):
    """A generator and its options."""

    generator: str = "skip"
    """A name of ``NETWORKS``."""
    options: tuple[tuple[str, Any], ...] = ()
    """Keyword arguments of the generator, as pairs."""

    def check(self) -> None:
        object.__setattr__(self, "options", freeze(self.options))
        if self.generator not in NETWORKS:
            known = suggest(str(self.generator), NETWORKS)
            raise UserError("generator", self.generator, f"is unknown; {known}")

    def build(self, channels: int) -> Any:
        """Returns the flax module for pictures with so many channels."""
        return NETWORKS[self.generator].build(channels=channels, **dict(self.options))

    def as_data(self) -> dict[str, Any]:
        """Returns the record as dictionaries."""
        return {"generator": self.generator, "options": dict(self.options)}
