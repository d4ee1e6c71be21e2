"""Methods as records: one file each, one line in the table."""

from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.methods.blind_spot import BlindSpot, ByHoles
from dip_jax.app.recipe.methods.plain import INPUTS, Plain
from dip_jax.app.recipe.methods.recorrupted import Recorrupted
from dip_jax.app.recipe.methods.sure import Sure

METHODS: tuple[type[Method], ...] = (Plain, Recorrupted, Sure, BlindSpot)

__all__ = [
    "INPUTS",
    "METHODS",
    "BlindSpot",
    "ByHoles",
    "Method",
    "Plain",
    "Recorrupted",
    "Sure",
]
