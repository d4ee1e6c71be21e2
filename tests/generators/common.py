"""Small networks, and what is checked of each kind."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import ConvDecoder, DeepDecoder, ResNet, Skip, UNet

KEY = jax.random.key(0)
Z = np.random.default_rng(1).random((16, 8, 2), np.float32)
SQUARE = np.random.default_rng(1).random((16, 16, 2), np.float32)
SKIP = {"widths": (4, 4), "skip_widths": 2}
ONE_SCALE = {"widths": (4,), "skip_widths": 2}
UNET = {"feature_scale": 16}
RESNET = {"blocks": 1, "width": 4}
DECODER = {"levels": 2, "width": 4}
SMALLEST = {Skip: SKIP, UNet: UNET, ResNet: RESNET, DeepDecoder: DECODER, ConvDecoder: DECODER}


def params_of(net, z=Z, seed=0):
    """Parameters from NumPy, since to compile ``init`` takes longest."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: generator.uniform(-0.5, 0.5, leaf.shape).astype(np.float32),
        jax.eval_shape(net.init, KEY, z),
    )


@functools.cache
def painter(net):
    return jit(net.apply)


def image_of(net, z=Z, seed=0):
    return np.asarray(painter(net)(params_of(net, z, seed), z))


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@functools.cache
def usual_image(net):
    return image_of(net, SQUARE)


def check_option_acts(kind, options, others=None):
    """Beside ``others``, by default those of the smallest network of its kind."""
    others = others or SMALLEST[kind]
    image = image_of(kind(**(others | options)), SQUARE)
    assert image.shape == (16, 16, options.get("channels", 3))
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    other = usual_image(kind(**others))
    assert image.shape != other.shape or np.abs(image - other).max() > 1e-3


def check_sigmoid_is_the_last_step(kind, options=None):
    options = options or SMALLEST[kind]
    raw = image_of(kind(**options, sigmoid=False), SQUARE)
    np.testing.assert_allclose(usual_image(kind(**options)), jax.nn.sigmoid(raw), atol=1e-6)


def check_option_is_refused(kind, options, words):
    """The message says what is allowed."""
    with pytest.raises(ValueError, match="must be") as error:
        kind(**(SMALLEST[kind] | options))
    assert all(word in str(error.value) for word in words), error.value


def check_sizes(kind, stride):
    """An input of a wrong size is refused with the stride in the message."""
    net = kind(**SMALLEST[kind])
    assert net.stride == stride
    with pytest.raises(ValueError, match="no batch"):
        jax.eval_shape(net.init, KEY, jnp.zeros((1, 16, 16, 2)))
    if stride > 1:
        with pytest.raises(ValueError, match=f"18x16 pixels.* multiples of {stride}"):
            jax.eval_shape(net.init, KEY, jnp.zeros((18, 16, 2)))


def check_biases_before_norms(kind, layers):
    """They would change nothing: they are declared, have no effect on a bit, and stay."""
    net, z = kind(**SMALLEST[kind]), data(32, 32, 2)
    params, apply = params_of(net, z), jit(net.apply)
    gradient = jit(jax.grad(lambda params: jnp.sum(net.apply(params, z) ** 2)))(params)
    seen = set()

    def moved(path, value, slope):
        _, *names, last = (key.key for key in path)
        idle = last == "bias" and re.fullmatch(layers, "/".join(names)) is not None
        seen.add(idle)
        assert np.any(slope) != idle, names
        return value + 100 * idle

    other = jax.tree_util.tree_map_with_path(moved, params, gradient)
    assert seen == {True, False}
    np.testing.assert_array_equal(apply(params, z), apply(other, z))
