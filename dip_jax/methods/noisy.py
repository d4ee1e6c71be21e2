"""The input of the methods that are fed a noisy picture and know its noise."""

from typing import NamedTuple

import jax

from dip_jax.base import Array, Image, Key
from dip_jax.methods.descent import DipState
from dip_jax.noise.clipping import redraw_clipped

_REDRAWN = 2**32 - 1  # a step that no fit reaches


class NoisyInput(NamedTuple):
    """A noisy picture and what is known of its noise."""

    image: Image
    """``[h, w, c]``."""
    sigma: Array
    """Standard deviation of the noise of each value, ``[h, w, c]``, in the image's units. Where
    noise was clipped, the one before clipping."""
    clipped: Array | None = None
    """Which values were clipped and how likely that was, ``[h, w, c]``, from
    :func:`dip_jax.noise.clipped_chance`. Each step then redraws them. None redraws nothing."""
    transfer: Array | None = None
    """Of the filter that correlates white noise as the picture's is; None if that is white."""


def redraw_input(state: DipState) -> tuple[Image, Array, Image]:
    """Returns the picture, its noise's sigma, and the picture with clipped values redrawn."""
    y, sigma, clipped, _ = state.z
    if clipped is None:
        return y, sigma, y
    # Differs from every key with which the step draws other noise.
    key: Key = jax.random.fold_in(jax.random.fold_in(state.key, _REDRAWN), state.count)
    return y, sigma, redraw_clipped(key, y, sigma, clipped)
