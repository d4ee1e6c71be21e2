"""The residual network."""

import pytest

from dip_jax.generators import ResNet
from tests.generators.common import (
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
        {"residual": False},
        {"activation": "relu", "padding": "zero"},
    ],
)
def test_every_option_acts(options):
    check_option_acts(ResNet, options)


@pytest.mark.slow
def test_sigmoid_is_the_last_step():
    check_sigmoid_is_the_last_step(ResNet)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": "wrap"}, ["padding='wrap'", "'zero'"]),
        ({"blocks": -1}, ["blocks=-1", "at least 0"]),
    ],
)
def test_invalid_option_says_what_is_allowed(options, words):
    check_option_is_refused(ResNet, options, words)


def test_input_of_wrong_size_says_the_stride():
    check_sizes(ResNet, stride=1)


@pytest.mark.slow
def test_biases_before_norms_are_left_alone():
    check_biases_before_norms(ResNet, "last_conv")
