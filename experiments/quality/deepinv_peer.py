"""deepinv's Deep Image Prior, on the operators and measurements of dip_jax.

deepinv (PyTorch) is an extra of this experiment only: ``pip install deepinv``.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax import operators
from dip_jax.compilation import jit
from experiments.program import require

NETWORKS = {  # channels, and the side of the input
    "deepinv": (256, 4),  # the defaults of deepinv.models.ConvDecoder
    "deepinv_64": (64, 2),  # those of deepinv's own example of Deep Image Prior
}


class Best(NamedTuple):
    """The best iterate of a run, by oracle."""

    image: jax.Array
    """As the network painted it; complex, if the measurement is."""
    score: float
    step: int
    seconds: float
    """Of the whole run, without the scores."""


def check_installed(method: str) -> None:
    """Checks that deepinv is installed.

    Raises:
      UserError: if it is not.
    """
    require("deepinv", "deepinv", "--methods", method)


def fit_theirs(
    method: str,
    operator: Callable[[jax.Array], jax.Array],
    y: jax.Array,
    shape: tuple[int, int, int],
    steps: int,
    score: Callable[[jax.Array], float],
    seed: int,
) -> Best:
    """Runs ``deepinv.models.DeepImagePrior`` with its own learning rate; keeps the best iterate.

    Args:
      method: one of :data:`NETWORKS`.
      operator: ours, which PyTorch calls with its adjoint as derivative. Images that measure as
        complex numbers are complex: two channels of the network for each.
      y: the measurement.
      shape: of the image, ``[h, w, c]``.
      steps: of Adam, all of which are run.
      score: of an image; higher is better. It sees the truth, a favour to this method.
      seed: of PyTorch.
    """
    import deepinv
    import torch

    turned = jnp.iscomplexobj(y)
    channels = shape[2] * (2 if turned else 1)
    paint = operators.to_complex if turned else jnp.asarray
    flatten = operators.from_complex if turned else jnp.asarray
    physics = deepinv.physics.LinearPhysics(
        A=make_torch_operator(lambda x: flatten(operator(paint(x))), (*shape[:2], channels))
    )
    torch.manual_seed(seed)
    width, side = NETWORKS[method]
    decoder = deepinv.models.ConvDecoder(
        img_size=(channels, *shape[:2]), in_size=(side, side), channels=width
    )
    best, count, scoring = Best(jnp.zeros(shape), -np.inf, 0, 0.0), 0, 0.0

    def look(network: Any, inputs: Any, output: Any) -> None:
        nonlocal best, count, scoring
        del network, inputs
        start = time.perf_counter()
        image = paint(_to_image(output))
        value = score(image)
        if value > best.score:
            best = best._replace(image=image, score=value, step=count)
        count += 1
        scoring += time.perf_counter() - start

    decoder.register_forward_hook(look)
    prior = deepinv.models.DeepImagePrior(decoder, img_size=(width, side, side), iterations=steps)
    start = time.perf_counter()
    prior(_to_torch(flatten(y)), physics)
    return best._replace(seconds=time.perf_counter() - start - scoring)


def make_torch_operator(
    operator: Callable[[jax.Array], jax.Array], shape: tuple[int, ...]
) -> Callable[[Any], Any]:
    """Makes a PyTorch function ``[1, c, h, w] -> [1, k, ...]`` of a linear JAX function.

    Args:
      operator: linear, from real ``[h, w, c]`` to real ``[..., k]``.
      shape: ``[h, w, c]``.
    """
    import torch

    measure = jit(operator)
    pull = jit(lambda y: jax.vjp(operator, jnp.zeros(shape))[1](y)[0])

    class Measure(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, image: Any) -> Any:
            del context
            return _to_torch(measure(_to_image(image)))

        @staticmethod
        def backward(context: Any, slope: Any) -> Any:  # pyright: ignore
            del context
            return _to_torch(pull(_to_image(slope)))

    # deepinv passes parameters of its physics too, of which there are none.
    return lambda image, **_: Measure.apply(image)


def _to_image(array: Any) -> jax.Array:
    return jnp.asarray(np.moveaxis(array.detach().numpy()[0], 0, -1))


def _to_torch(array: jax.Array) -> Any:
    import torch

    return torch.from_numpy(np.moveaxis(np.array(array), -1, 0).copy())[None]
