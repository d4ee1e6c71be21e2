"""Errors of a measurement: what :func:`dip_jax.tasks.observe` takes the mean of.

Each is a function of two arrays, the image as measured and the data ``y``, and returns an error
for every value. Numbers go through a :class:`jax.tree_util.Partial`, by name:
``observe(operator, y, loss=Partial(losses.huber, delta=0.1))``.
"""

from collections.abc import Callable

import jax.numpy as jnp

from dip_jax.base import Array


def squared(measured: Array, y: Array) -> Array:
    """``|measured - y|**2``, for Gaussian noise; real or complex."""
    return square_magnitude(measured - y)


def huber(measured: Array, y: Array, delta: Array | float) -> Array:
    """Squared up to a difference of ``delta``, and linear beyond: for data with outliers.

    That is ``d**2`` for ``d = |measured - y|`` up to delta, else ``2 delta d - delta**2``.

    Source: Huber, Robust estimation of a location parameter, 1964.
    """
    square = square_magnitude(measured - y)
    # Below delta the root is of a constant: it has no slope at 0.
    distance = jnp.sqrt(jnp.maximum(square, delta**2))
    return jnp.where(square <= delta**2, square, 2 * delta * distance - delta**2)


def poisson(measured: Array, y: Array, floor: float = 1e-6) -> Array:
    """Twice the negative logarithm of a Poisson likelihood, less that of the best: the deviance.

    Its mean is about 1 where the image is true and more than a few counts are expected.

    Args:
      measured: expected counts, at least 0. It takes an image of at least 0 to have them, and an
        operator that keeps the sign.
      y: counts, at least 0.
      floor: expected counts below it are taken for it, and have no gradient.
    """
    expected = jnp.maximum(measured, floor)
    some = y > 0
    # Where no counts are, the term with the logarithm is 0.
    ratio = jnp.where(some, y, 1.0) / jnp.where(some, expected, 1.0)
    return 2 * (expected - y + y * jnp.log(ratio))


def whitened(measured: Array, y: Array, whiten: Callable[[Array], Array]) -> Array:
    """``|whiten(measured - y)|**2``, for noise of known correlations.

    Args:
      measured: the image as measured.
      y: the data.
      whiten: a linear function that makes the noise white, with variance 1 to have a mean of 1
        where the image is true. Give its arrays as a ``Partial``.
    """
    return square_magnitude(whiten(measured - y))


def square_magnitude(difference: Array) -> Array:
    """``|difference|**2``, real or complex."""
    if jnp.iscomplexobj(difference):  # the absolute value has no derivative at 0
        return jnp.real(difference) ** 2 + jnp.imag(difference) ** 2
    return difference**2
