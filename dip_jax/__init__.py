"""Deep Image Prior in JAX: restore one picture with a randomly initialised network.

>>> import jax, jax.numpy as jnp, optax
>>> import dip_jax
>>> y = jnp.full((32, 32, 3), 0.5)
>>> fit = dip_jax.average(dip_jax.dip(dip_jax.Skip(widths=(4,)), optax.adam(1e-2)))
>>> key, z_key = jax.random.split(jax.random.key(0))
>>> z = dip_jax.inputs.uniform(z_key, 32, 32, depth=4)
>>> state, trace = dip_jax.run(fit, key, dip_jax.denoise(y), z, steps=2)
>>> dip_jax.estimate(fit, state).shape, trace["loss"].shape
((32, 32, 3), (2,))
"""

from dip_jax import filling, inputs, losses, metrics, noise, operators
from dip_jax.base import Algorithm, Generator, Info, Task
from dip_jax.blind import estimate_kernel
from dip_jax.generators import ConvDecoder, DeepDecoder, Flat, Matched, ResNet, Skip, UNet
from dip_jax.layout import canonical
from dip_jax.loop import advance, estimate, run
from dip_jax.members import Ensemble, combine, combine_by_agreement
from dip_jax.methods import (
    MaskedInput,
    NoisyInput,
    blind_spot,
    carry,
    dip,
    masked,
    recorrupted,
    sure,
    warm_start,
)
from dip_jax.plug_and_play import refine_measured
from dip_jax.tasks import (
    denoise,
    inpaint,
    observe,
    precompose,
    reconstruct,
    super_resolve,
    total_variation,
    validate,
)
from dip_jax.wrappers import (
    average,
    backtrack,
    ensemble,
    langevin,
    measured,
    moving_variance,
    posterior,
    sharded,
    stop,
    until,
    validated,
    windowed_variance,
)

__version__ = "0.4.0"

__all__ = [
    "Algorithm",
    "ConvDecoder",
    "DeepDecoder",
    "Ensemble",
    "Flat",
    "Generator",
    "Info",
    "MaskedInput",
    "Matched",
    "NoisyInput",
    "ResNet",
    "Skip",
    "Task",
    "UNet",
    "advance",
    "average",
    "backtrack",
    "blind_spot",
    "canonical",
    "carry",
    "combine",
    "combine_by_agreement",
    "denoise",
    "dip",
    "ensemble",
    "estimate",
    "estimate_kernel",
    "filling",
    "inpaint",
    "inputs",
    "langevin",
    "losses",
    "masked",
    "measured",
    "metrics",
    "moving_variance",
    "noise",
    "observe",
    "operators",
    "posterior",
    "precompose",
    "reconstruct",
    "recorrupted",
    "refine_measured",
    "run",
    "sharded",
    "stop",
    "super_resolve",
    "sure",
    "total_variation",
    "until",
    "validate",
    "validated",
    "warm_start",
    "windowed_variance",
]
