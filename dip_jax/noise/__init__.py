"""The noise of a picture: its model, its estimate, and what can be done knowing it."""

from dip_jax.noise.blending import blend_unseen_pixels
from dip_jax.noise.bright import Bright, measure_bright
from dip_jax.noise.clipping import (
    clipped_chance,
    clipped_moments,
    expect_unclipped,
    invert_clipping,
    redraw_clipped,
)
from dip_jax.noise.coloring import color, kernel_transfer
from dip_jax.noise.estimate import estimate_noise
from dip_jax.noise.identify import Verdict, camera_noise, identify_noise
from dip_jax.noise.impulses import find_impulses
from dip_jax.noise.measure import measure_noise, model_noise
from dip_jax.noise.median import match_median
from dip_jax.noise.model import (
    LEVELS,
    NoiseModel,
    VarianceModel,
    clipped_mean,
    invert_clipped_mean,
    outside_flat_areas,
    smooth,
    where_model_holds,
)
from dip_jax.noise.spectrum import Spectrum, measure_spectrum
from dip_jax.noise.splitting import (
    fill_held_out,
    fill_smoothly,
    hold_out,
    hold_out_blocks,
    recorrupt,
    thin,
)

__all__ = [
    "LEVELS",
    "Bright",
    "NoiseModel",
    "Spectrum",
    "VarianceModel",
    "Verdict",
    "blend_unseen_pixels",
    "camera_noise",
    "clipped_chance",
    "clipped_mean",
    "clipped_moments",
    "color",
    "estimate_noise",
    "expect_unclipped",
    "fill_held_out",
    "fill_smoothly",
    "find_impulses",
    "hold_out",
    "hold_out_blocks",
    "identify_noise",
    "invert_clipped_mean",
    "invert_clipping",
    "kernel_transfer",
    "match_median",
    "measure_bright",
    "measure_noise",
    "measure_spectrum",
    "model_noise",
    "outside_flat_areas",
    "recorrupt",
    "redraw_clipped",
    "smooth",
    "thin",
    "where_model_holds",
]
