"""Methods: ``(generator, optimizer) -> Algorithm``.

:func:`dip` fits the generator to the data from a fixed input. The others feed the generator the
degraded picture itself and make their training pairs from that one picture.
"""

from dip_jax.methods.blind_spot import BlindSpotState, MaskedInput, blind_spot, masked
from dip_jax.methods.descent import Carried, DipState, carry, warm_start
from dip_jax.methods.dip import dip
from dip_jax.methods.noisy import NoisyInput
from dip_jax.methods.recorrupted import recorrupted
from dip_jax.methods.sure import sure

__all__ = [
    "BlindSpotState",
    "Carried",
    "DipState",
    "MaskedInput",
    "NoisyInput",
    "blind_spot",
    "carry",
    "dip",
    "masked",
    "recorrupted",
    "sure",
    "warm_start",
]
