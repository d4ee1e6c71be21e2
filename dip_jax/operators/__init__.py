"""Measurement operators: functions from an image to what a camera or a file kept of it.

Operators are linear unless said otherwise. Their data (masks, kernels, resampling matrices) are
arguments, so that a task carries them as leaves of its pytree.
"""

from dip_jax.operators.convolution import convolve, reach, transfer_function
from dip_jax.operators.kernels import (
    KERNELS,
    box_kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    named_kernel,
)
from dip_jax.operators.sampling import (
    Crop,
    gaussian_taps,
    lanczos_kernel,
    lanczos_taps,
    mask,
    resample,
    resampling_matrix,
    resampling_sources,
)

__all__ = [
    "KERNELS",
    "Crop",
    "box_kernel",
    "convolve",
    "disk_kernel",
    "gaussian_kernel",
    "gaussian_taps",
    "lanczos_kernel",
    "lanczos_taps",
    "mask",
    "motion_kernel",
    "named_kernel",
    "reach",
    "resample",
    "resampling_matrix",
    "resampling_sources",
    "transfer_function",
]
