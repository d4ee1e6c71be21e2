"""Bytes on disk: pictures, results, checkpoints, locks."""

from dip_jax.app.files.atomic import replacing
from dip_jax.app.files.checkpoint import Checkpoint
from dip_jax.app.files.formats import MAX_PIXELS
from dip_jax.app.files.masks import Marks, find_mask
from dip_jax.app.files.pictures import (
    ORIGIN,
    Origin,
    read_picture,
    write_picture,
)
from dip_jax.app.files.sheet import comparison

__all__ = [
    "MAX_PIXELS",
    "ORIGIN",
    "Checkpoint",
    "Marks",
    "Origin",
    "comparison",
    "find_mask",
    "read_picture",
    "replacing",
    "write_picture",
]
