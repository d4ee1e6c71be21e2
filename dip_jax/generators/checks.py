"""Checks for the fields and the input of generators."""

from collections.abc import Sequence

import jax.numpy as jnp

from dip_jax.base import Array


def check_choice(field: str, value: object, choices: Sequence[str | int | None]) -> None:
    """Raises a ValueError that names ``field`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{field}={value!r}: must be one of {allowed}")


def check_integer(field: str, value: object, *, least: int) -> None:
    """Raises a ValueError that names ``field`` unless ``value`` is an int >= ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{field}={value!r}: must be an integer of at least {least}")


def check_input(z: Array, stride: int, dims: int = 2) -> None:
    """Raises a ValueError unless ``z`` is ``[h, w, depth]`` of floats, multiples of ``stride``.

    With ``dims=3``, it is a volume, ``[d, h, w, depth]``.
    """
    if not jnp.issubdtype(z.dtype, jnp.floating):
        raise ValueError(f"z holds {z.dtype}: must be floating-point numbers")
    sides = "height, width" if dims == 2 else "planes, height, width"
    if z.ndim != dims + 1:
        raise ValueError(f"z has shape {z.shape}: must be [{sides}, depth], no batch")
    if any(size < 1 or size % stride for size in z.shape[:-1]):
        size = "x".join(map(str, z.shape[:-1]))
        raise ValueError(
            f"z is {size} pixels: {sides.replace(', width', ' and width')} must be multiples of "
            f"{stride} for this generator; pad the image and crop the result"
        )


def check_kernel(field: str, size: object) -> None:
    """Raises a ValueError that names ``field`` unless ``size`` is odd and positive."""
    if not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise ValueError(f"{field}={size!r}: must be an odd positive integer")
