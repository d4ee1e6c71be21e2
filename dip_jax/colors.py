"""The basis of colours in which channels are least alike."""

import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array

OPPONENT = np.array(
    [
        np.array([1, 1, 1]) / 3**0.5,
        np.array([1, 0, -1]) / 2**0.5,
        np.array([1, -2, 1]) / 6**0.5,
    ],
    np.float32,
)
"""Orthonormal: luma, red against blue, green against both. Source: Dabov et al., Color image
denoising via sparse 3D collaborative filtering, ICIP 2007."""


def color_basis(channels: int) -> Array:
    """Returns an orthonormal matrix ``[channels, channels]``, a row for each new channel.

    :data:`OPPONENT` for three channels, else the channels themselves.
    """
    return jnp.asarray(OPPONENT if channels == 3 else np.eye(channels, dtype=np.float32))
