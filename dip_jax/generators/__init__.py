"""Generators: networks whose structure is the prior.

Each is a ``flax.linen`` module and so a :class:`dip_jax.base.Generator`: a frozen, hashable
description with ``init(key, z) -> params`` and ``apply(params, z) -> image``. Images and
inputs are unbatched, ``[height, width, channels]``. The height and width of ``z`` must be
multiples of the generator's :attr:`stride`. Nothing else in the library imports ``flax``.
"""

from dip_jax.generators.decoder import ConvDecoder, DeepDecoder
from dip_jax.generators.flat import Flat
from dip_jax.generators.matched import Matched
from dip_jax.generators.resnet import ResNet
from dip_jax.generators.skip import Skip
from dip_jax.generators.unet import UNet

__all__ = ["ConvDecoder", "DeepDecoder", "Flat", "Matched", "ResNet", "Skip", "UNet"]
