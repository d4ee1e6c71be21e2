"""Coloured noise: the filter's covariance, and white noise as a special case."""

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.noise.coloring import color, kernel_transfer
from dip_jax.noise.splitting import recorrupt

KEY = jax.random.key(3)
KERNEL = np.zeros((3, 5, 2, 2), np.float32)
KERNEL[1, 2] = [[0.8, 0.0], [0.3, 0.5]]
KERNEL[1, 3, 0, 0] = 0.6
KERNEL[2, 2, 1, 1] = 0.4


def test_the_filter_is_a_convolution_that_wraps_around():
    image = np.random.default_rng(0).standard_normal((8, 9, 2)).astype(np.float32)
    wanted = np.zeros_like(image)
    for row in range(3):
        for column in range(5):
            moved = np.roll(image, (row - 1, column - 2), axis=(0, 1))
            wanted += moved @ KERNEL[row, column].T
    found = color(jnp.asarray(image), kernel_transfer(KERNEL, 8, 9))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_without_a_filter_noise_stays_as_it_is():
    white = jax.random.normal(KEY, (4, 4, 3))
    assert color(white, None) is white


def test_recorrupted_copies_have_independent_noises_if_the_filter_is_the_noises_own():
    transfer = kernel_transfer(KERNEL, 256, 256)
    noise = 0.1 * color(jax.random.normal(jax.random.key(9), (256, 256, 2)), transfer)
    first, second = recorrupt(KEY, noise, 0.1, 0.3, transfer)
    for lag in (0, 1):
        a, b = first[:, : 256 - lag], second[:, lag:]
        for channel in range(2):
            r = np.corrcoef(np.ravel(a[..., channel]), np.ravel(b[..., channel]))[0, 1]
            assert abs(r) < 0.02
    white = recorrupt(KEY, noise, 0.1, 0.3)
    r = np.corrcoef(np.ravel(white[0][:, :-1, 0]), np.ravel(white[1][:, 1:, 0]))[0, 1]
    assert r > 0.1  # white noise added to correlated noise leaves them dependent
