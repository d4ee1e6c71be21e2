"""Mosaics and spectra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from dip_jax import operators
from tests.operators.common import check_adjoint_of_derivative, count_traces

IMAGE = jax.random.uniform(jax.random.key(0), (5, 6, 3))


@pytest.mark.parametrize("pattern", operators.BAYER_PATTERNS)
def test_each_pixel_keeps_the_channel_of_its_filter(pattern):
    measured = operators.mosaic(IMAGE, operators.bayer_filters(5, 6, pattern))
    assert measured.shape == (5, 6, 1)
    for row in range(5):
        for column in range(6):
            channel = "RGB".index(pattern[2 * (row % 2) + column % 2])
            assert measured[row, column, 0] == IMAGE[row, column, channel]


def test_a_response_mixes_the_channels_of_each_pixel():
    response = np.random.default_rng(0).random((2, 3)).astype(np.float32)
    measured = operators.mix_channels(IMAGE, jnp.asarray(response))
    np.testing.assert_allclose(measured, np.asarray(IMAGE) @ response.T, rtol=1e-6)


@pytest.mark.slow
def test_adjoint():
    filters = jax.random.uniform(jax.random.key(1), IMAGE.shape)
    check_adjoint_of_derivative(Partial(operators.mosaic, filters=filters), IMAGE.shape)
    response = jax.random.normal(jax.random.key(1), (4, 3))
    check_adjoint_of_derivative(Partial(operators.mix_channels, response=response), IMAGE.shape)


def test_another_measurement_is_not_traced_again():
    filters = [jnp.asarray(operators.bayer_filters(5, 6, name)) for name in ("RGGB", "GBRG")]
    assert count_traces([Partial(operators.mosaic, filters=each) for each in filters], IMAGE) == 1
    responses = [jnp.ones((4, 3)), jnp.zeros((4, 3))]
    two = [Partial(operators.mix_channels, response=each) for each in responses]
    assert count_traces(two, IMAGE) == 1


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.bayer_filters(4, 4, "RGBG"), "pattern='RGBG': must be one of RGGB"),
        (
            lambda: operators.mosaic(IMAGE[:, :, :1], operators.bayer_filters(5, 6)),
            r"image has shape \(5, 6, 1\), but filters \(5, 6, 3\)",
        ),
        (
            lambda: operators.mix_channels(IMAGE, jnp.ones((3, 4))),
            r"response has shape \(3, 4\), but the image has 3 channels",
        ),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
