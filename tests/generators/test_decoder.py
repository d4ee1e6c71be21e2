"""The decoders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import ConvDecoder, DeepDecoder
from tests.generators.common import (
    DECODER,
    KEY,
    Z,
    check_option_acts,
    check_option_is_refused,
    check_sigmoid_is_the_last_step,
    check_sizes,
    image_of,
    params_of,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (DeepDecoder, {"upsampling": "nearest"}),
        (DeepDecoder, {"levels": 1, "width": 3}),
        (ConvDecoder, {"upsampling": "bilinear", "channels": 1}),
        (ConvDecoder, {"padding": "reflect"}),
    ],
)
def test_every_option_acts(kind, options):
    check_option_acts(kind, options)


@pytest.mark.parametrize("kind", [DeepDecoder, ConvDecoder])
def test_sigmoid_is_the_last_step(kind):
    check_sigmoid_is_the_last_step(kind)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (DeepDecoder, {"levels": 0}, ["levels=0", "at least 1"]),
        (DeepDecoder, {"width": 2.0}, ["width=2.0", "at least 1"]),
        (DeepDecoder, {"upsampling": "cubic"}, ["upsampling='cubic'", "'bilinear'"]),
        (ConvDecoder, {"channels": 0}, ["channels=0", "at least 1"]),
        (ConvDecoder, {"padding": "same"}, ["padding='same'", "'zero'"]),
    ],
)
def test_invalid_option_says_what_is_allowed(kind, options, words):
    check_option_is_refused(kind, options, words)


@pytest.mark.parametrize("kind", [DeepDecoder, ConvDecoder])
def test_input_of_wrong_size_says_the_stride(kind):
    check_sizes(kind, stride=4)


@pytest.mark.parametrize("kind", [DeepDecoder, ConvDecoder])
def test_decoders_keep_one_pixel_of_each_block_as_it_is(kind):
    """So that noise drawn pixel by pixel stays the noise that it is."""
    net = kind(**DECODER)
    image = image_of(net)
    kept = np.zeros((16, 8, 1), np.float32)
    kept[2::4, 2::4] = 1
    np.testing.assert_array_equal(image_of(net, Z * kept), image)
    for i, j in np.argwhere(kept[:, :, 0]):
        assert np.abs(image_of(net, jnp.asarray(Z).at[i, j].add(0.5)) - image).max() > 1e-4


def test_deep_decoder_has_the_parameters_of_the_published_one():
    """Six layers of k * k weights and a norm's 2 k, one of 3 k."""
    z = jax.ShapeDtypeStruct((64, 64, 64), jnp.float32)
    params = jax.eval_shape(DeepDecoder(width=64).init, KEY, z)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 6 * (64**2 + 2 * 64) + 3 * 64


@pytest.mark.parametrize("kind", [DeepDecoder, ConvDecoder])
@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_a_volume_of_equal_planes_has_equal_planes(kind, upsampling):
    """And those are the picture, if kernels see their own plane only."""
    options = DECODER | {"upsampling": upsampling}
    flat, deep = kind(**options), kind(**options, dims=3)
    params = params_of(flat, Z)

    def thicken(path, leaf):
        if path[-1].key != "kernel":
            return leaf
        thick = np.zeros((leaf.shape[0], *leaf.shape), np.float32)
        thick[leaf.shape[0] // 2] = leaf
        return thick

    volume = np.repeat(Z[None], 8, 0)
    found = jit(deep.apply)(jax.tree_util.tree_map_with_path(thicken, params), volume)
    expected = jit(flat.apply)(params, Z)
    np.testing.assert_allclose(found, np.repeat(expected[None], 8, 0), atol=1e-4)
