"""Measurement operators: functions from an image to what an instrument or a file kept of it.

Operators are linear unless said otherwise. Their data (masks, kernels, resampling matrices) are
arguments, so that a task carries them as leaves of its pytree:
``Partial(operators.radon, angles=angles)``.
"""

from dip_jax.operators.convolution import convolve, reach, transfer_function
from dip_jax.operators.fourier import (
    cartesian_mask,
    sample_coils,
    sample_fourier,
)
from dip_jax.operators.kernels import (
    KERNELS,
    box_kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
    named_kernel,
)
from dip_jax.operators.linear import (
    Linear,
    apply_adjoint,
    check_adjoint,
    check_derivative,
    linear,
)
from dip_jax.operators.radon import back_project, filtered_back_projection, radon
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
from dip_jax.operators.sensing import compress, sensing_matrix
from dip_jax.operators.spectral import BAYER_PATTERNS, bayer_filters, mix_channels, mosaic
from dip_jax.operators.splitting import split_mask
from dip_jax.operators.values import from_complex, rescale, to_complex

__all__ = [
    "BAYER_PATTERNS",
    "KERNELS",
    "Crop",
    "Linear",
    "apply_adjoint",
    "back_project",
    "bayer_filters",
    "box_kernel",
    "cartesian_mask",
    "check_adjoint",
    "check_derivative",
    "compress",
    "convolve",
    "disk_kernel",
    "filtered_back_projection",
    "from_complex",
    "gaussian_kernel",
    "gaussian_taps",
    "lanczos_kernel",
    "lanczos_taps",
    "linear",
    "mask",
    "mix_channels",
    "mosaic",
    "motion_kernel",
    "named_kernel",
    "radon",
    "reach",
    "resample",
    "resampling_matrix",
    "resampling_sources",
    "rescale",
    "sample_coils",
    "sample_fourier",
    "sensing_matrix",
    "split_mask",
    "to_complex",
    "transfer_function",
]
