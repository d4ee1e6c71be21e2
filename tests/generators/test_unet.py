"""The U-Net."""

import jax
import jax.numpy as jnp
import pytest

from dip_jax.generators import UNet
from tests.generators.common import (
    KEY,
    UNET,
    check_biases_before_norms,
    check_option_acts,
    check_option_is_refused,
    check_sigmoid_is_the_last_step,
    check_sizes,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"upsampling": "nearest", "padding": "reflect"},
        {"upsampling": "bilinear", "norm": "none", "bias": False},
        {"concat_input": True},
    ],
)
def test_every_option_acts(options):
    check_option_acts(UNet, options)


@pytest.mark.slow
def test_sigmoid_is_the_last_step():
    check_sigmoid_is_the_last_step(UNet)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norm": "layer"}, ["norm='layer'", "'batch'", "'instance'"]),
        ({"upsampling": "max"}, ["upsampling='max'", "'deconv'"]),
        ({"feature_scale": 65}, ["feature_scale=65", "64"]),
    ],
)
def test_invalid_option_says_what_is_allowed(options, words):
    check_option_is_refused(UNet, options, words)


def test_input_of_wrong_size_says_the_stride():
    check_sizes(UNet, stride=16)


@pytest.mark.slow
def test_biases_before_norms_are_left_alone():
    check_biases_before_norms(UNet, "down./conv.")


def test_unet_goes_below_its_five_scales():
    net = UNet(**UNET, more_layers=2)
    z = jax.ShapeDtypeStruct((64, 64, 2), jnp.float32)
    params = jax.eval_shape(net.init, KEY, z)
    assert net.stride == 64
    assert params["params"]["down6"]["conv1"]["kernel"].shape == (3, 3, 64, 64)
    assert jax.eval_shape(net.apply, params, z).shape == (64, 64, 3)


def test_unet_refuses_an_input_deeper_than_its_first_scale():
    with pytest.raises(ValueError, match="must have less than 4"):
        jax.eval_shape(UNet(**UNET, concat_input=True).init, KEY, jnp.zeros((16, 16, 4)))
