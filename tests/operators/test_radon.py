"""Tomography, against scikit-image's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from dip_jax import operators
from dip_jax.compilation import jit
from tests.operators.common import check_adjoint_of_derivative, count_traces

transform = pytest.importorskip("skimage.transform")

radon = jit(operators.radon)
filtered_back_projection = jit(operators.filtered_back_projection, static_argnums=(2, 3))
ANGLES = np.linspace(0, 180, 30, endpoint=False).astype(np.float32)


def blobs(height, width):
    """A smooth picture without any symmetry, 0 at its border."""
    y, x = np.mgrid[:height, :width]
    image = np.exp(-((y / height - 0.4) ** 2 + (x / width - 0.6) ** 2) * 60)
    image += 0.5 * np.exp(-((y / height - 0.65) ** 2 + (x / width - 0.3) ** 2) * 90)
    return image.astype(np.float32)


@pytest.mark.parametrize("side", [40, 41])
def test_radon_equals_scikit_image(side):
    image = blobs(side, side)
    ours = radon(jnp.asarray(image)[:, :, None], jnp.asarray(ANGLES))
    theirs = transform.radon(image, ANGLES, circle=False)
    assert ours.shape == (*theirs.T.shape, 1)
    np.testing.assert_allclose(ours[:, :, 0], theirs.T, atol=1e-2 * theirs.max())


def test_right_angles_are_plain_sums():
    image = jax.random.uniform(jax.random.key(0), (6, 9, 2))
    sinogram = radon(image, jnp.array([0.0, 90.0]))
    assert sinogram.shape == (2, 13, 2)
    np.testing.assert_allclose(sinogram[0, 2:11], image.sum(0), rtol=1e-5)
    # At 90 degrees, a detector sees a row; the first rows fall on the last detectors.
    np.testing.assert_allclose(sinogram[1, 4:10], image.sum(1)[::-1], rtol=1e-5)
    np.testing.assert_allclose(sinogram.sum(1), image.sum((0, 1))[None].repeat(2, 0), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(12, 16), (15, 9)])
def test_adjoint(size):
    angles = jnp.asarray([0.0, 20.0, 45.0, 77.0, 90.0, 135.0, 160.0, 270.0])
    check_adjoint_of_derivative(Partial(operators.radon, angles=angles), (*size, 2))


@pytest.mark.slow
def test_back_projection_has_the_projection_for_its_adjoint():
    angles = jnp.asarray([0.0, 20.0, 77.0])
    operator = Partial(operators.radon, angles=angles)

    def back(sinogram):
        return operators.back_project(sinogram, angles, 12, 16)

    operators.check_adjoint(jax.jit(back), jax.jit(operator), (3, 23, 1))
    check_adjoint_of_derivative(back, (3, 23, 1))


@pytest.mark.parametrize("size", [(40, 40), (33, 40)])
def test_filtered_back_projection_is_as_near_as_scikit_images(size):
    image, angles = blobs(*size), np.linspace(0, 180, 60, endpoint=False).astype(np.float32)
    sinogram = radon(jnp.asarray(image)[:, :, None], jnp.asarray(angles))
    found = filtered_back_projection(sinogram, jnp.asarray(angles), *size)
    assert found.shape == (*size, 1)
    np.testing.assert_allclose(found[:, :, 0], image, atol=0.04)
    if size[0] == size[1]:
        theirs = transform.iradon(
            np.asarray(sinogram[:, :, 0]).T, angles, output_size=size[0], circle=False
        )
        np.testing.assert_allclose(found[:, :, 0], theirs, atol=0.01)


def test_another_measurement_is_not_traced_again():
    two = [Partial(operators.radon, angles=jnp.asarray(turn + ANGLES)) for turn in (0, 3)]
    assert count_traces(two, jnp.ones((8, 8, 1))) == 1


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.radon(jnp.ones((8, 8)), jnp.zeros(3)), r"image has shape \(8, 8\)"),
        (
            lambda: operators.radon(jnp.ones((8, 8, 1)), jnp.zeros((0,))),
            r"angles have shape \(0,\)",
        ),
        (lambda: operators.radon(jnp.ones((8, 8, 1)), jnp.zeros(())), r"angles have shape \(\)"),
        (
            lambda: operators.back_project(jnp.ones((3, 8, 1)), jnp.zeros(3), 8, 8),
            r"\(3, 8, 1\), but 3 angles and 8 x 8 pixels need \[3, 12, channels\]",
        ),
        (
            lambda: operators.filtered_back_projection(jnp.ones((3, 12, 1)), jnp.zeros(4), 8, 8),
            r"4 angles and 8 x 8 pixels need \[4, 12",
        ),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
