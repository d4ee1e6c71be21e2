"""Generators that compile quickly."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

import dip_jax
from dip_jax.generators.checks import check_input


class Toy(NamedTuple):
    """Has no convolutions: parameters are pixels, the image their sigmoid plus a little of z."""

    leak: float = 0.0

    def init(self, key, z):
        return {"pixels": 0.1 * jax.random.normal(key, (*z.shape[:2], 1))}

    def apply(self, params, z):
        return jax.nn.sigmoid(params["pixels"]) + self.leak * jnp.mean(z, -1, keepdims=True)


class Convolutions(nn.Module):
    """Two convolutions; asks for inputs of the sizes that a network of such a stride takes."""

    channels: int
    stride: int = 2

    @nn.compact
    def __call__(self, z):
        check_input(z, self.stride)
        x = nn.leaky_relu(nn.Conv(4, (3, 3))(z))
        return nn.sigmoid(nn.Conv(self.channels, (1, 1))(x))


def picture(height: int = 12, width: int = 10, channels: int = 1):
    """A smooth picture with an edge, values in [0.1, 0.9]."""
    y, x = jnp.meshgrid(jnp.linspace(0, 1, height), jnp.linspace(0, 1, width), indexing="ij")
    planes = [0.1 + 0.4 * x * y + 0.4 * (x > y + 0.1 * c) for c in range(channels)]
    return jnp.stack(planes, axis=-1)


class Gain:
    """A generator that multiplies the picture's contrast by one parameter."""

    def init(self, key, z):
        del key, z
        return {"gain": jnp.ones(())}

    def apply(self, params, z):
        return 0.5 + params["gain"] * z


def noise_around_grey(sigma):
    """Grey with noise, and the input that says how much."""
    y = 0.5 + sigma * jax.random.normal(jax.random.key(3), (64, 64, 3))
    return y, dip_jax.NoisyInput(y, jnp.full(y.shape, sigma))
