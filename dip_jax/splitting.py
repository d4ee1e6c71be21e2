"""Measured data in two parts whose noises are independent: one to fit, one to validate.

A fit that never saw the second part can't know its noise: the error against it is the true
error plus a constant, at every step, and its lowest point is the moment to stop.
"""

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Image, Key

_PLACE = 0x706C  # no number that a user of the same key would fold in
_LAG = 4  # pixels between two that are 2 away from a third
_RIDGE = 1e-4  # of the picture's variance; smooth pictures would have wild weights


def recorrupt(
    key: Key, y: Image, deviation: Array | float, alpha: float = 0.03
) -> tuple[Image, Image]:
    """Two copies of ``y`` with Gaussian noise added so that their noises are independent.

    With w from N(0, s^2): ``y1 = y + sqrt(alpha / (1 - alpha)) w`` and
    ``y2 = y - sqrt((1 - alpha) / alpha) w``. If the noise of ``y`` is N(0, s^2) too, y1's has
    the variance ``s^2 / (1 - alpha)`` and y2's ``s^2 / alpha``, and neither tells of the other.

    Args:
      key: decides w.
      y: the noisy image ``[h, w, c]``.
      deviation: s, in the image's units; a number, or an array that broadcasts to y's shape.
      alpha: above 0 and below 1. The smaller, the less noise is added to y1.

    Source: Pang et al., Recorrupted-to-Recorrupted, CVPR 2021; Oliveira et al., the coupled
    bootstrap, 2021.
    """
    _check_alpha(alpha)
    w = deviation * jax.random.normal(key, y.shape)
    ratio = (alpha / (1 - alpha)) ** 0.5
    return y + ratio * w, y - w / ratio


def thin(key: Key, y: Image, gain: Array | float, alpha: float = 0.03) -> tuple[Image, Image]:
    """Two independent Poisson images from one, ``y = gain * counts``, by sharing out its counts.

    Each count goes to the second image with probability ``alpha``. Both are scaled to the
    brightness of ``y``: the first is Poisson with the gain ``gain / (1 - alpha)``, the second
    with ``gain / alpha``.

    Args:
      key: decides the shares.
      y: ``[h, w, c]``, whole multiples of ``gain``; values between are rounded to one of the two
        next to them at random, so that their mean is kept.
      gain: brightness of one count, in the image's units.
      alpha: above 0 and below 1.

    Source: Monroy et al., Generalized Recorrupted-to-Recorrupted, ICLR 2025, table 1.
    """
    _check_alpha(alpha)
    # Not to the nearest: of a gain told a tenth too low that made dark pictures a tenth darker.
    place = jax.random.uniform(jax.random.fold_in(key, _PLACE), y.shape)
    counts = jnp.floor(y / gain + place)
    shared = jax.random.binomial(key, counts, alpha)
    return gain * (counts - shared) / (1 - alpha), gain * shared / alpha


def hold_out(key: Key, height: int, width: int, spacing: int = 7) -> Array:
    """Which pixels to leave to the validation: ``[h, w, 1]``, 1 there and 0 elsewhere.

    One pixel at random of each square of ``spacing`` pixels, never two neighbours, so that an
    input may be filled in from the pixels around.

    Raises:
      ValueError: if ``spacing`` is below 3, which leaves nothing to chance.
    """
    if spacing < 3:
        raise ValueError(f"spacing={spacing!r}: must be at least 3")
    rows, columns = -(-height // spacing), -(-width // spacing)
    # Not in the last row and column of a square, which touch the next one.
    place = jax.random.randint(key, (2, rows, columns), 0, spacing - 1)
    y = jnp.arange(rows)[:, None] * spacing + place[0]
    x = jnp.arange(columns)[None, :] * spacing + place[1]
    return jnp.zeros((height, width, 1)).at[y, x].set(1.0, mode="drop")


def fill(y: Image, held: Array) -> Image:
    """``y`` with the held-out pixels replaced by a linear guess from the 24 around each.

    The weights are those that foresee the picture's own pixels best, by its autocorrelation
    (Wiener): in strong noise nearly a mean, in fine texture nearly an interpolation. A generator
    that is fed the guess is judged at these pixels as if it had been fed their own values, so
    it matters how close it is: what it makes of a wrong one counts as its error.
    """
    # The values held out take no part, in the weights neither: for them, the mean of the eight.
    seen = jnp.broadcast_to(1 - held, y.shape)
    total, count = _around(seen * y), _around(seen)
    rough = jnp.where(held == 1, total / jnp.maximum(count, 1), y)
    mean = jnp.mean(rough, axis=(0, 1), keepdims=True)
    places = jnp.array([(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)])
    padded = jnp.pad(rough - mean, ((2, 2), (2, 2), (0, 0)), mode="symmetric")

    def add(guess: Image, term: tuple[Array, Array]) -> tuple[Image, None]:
        weight, place = term
        neighbour = jax.lax.dynamic_slice(padded, (*(place + 2), 0), y.shape)
        return guess + weight[None, None] * neighbour, None

    # A loop, as the sum of so many terms at once takes seconds to compile, and their memory.
    terms = (_foreseeing(rough - mean, places), places)
    guess, _ = jax.lax.scan(add, jnp.zeros_like(y) + mean, terms)
    return jnp.where(held == 1, jnp.clip(guess, rough.min(), rough.max()), y)


def _foreseeing(y: Image, places: Array) -> Array:
    """The weights ``[n, c]`` of pixels at ``places [n, 2]``, up to 2 away from one, to foresee it.

    With the least mean square over an image ``y`` of mean 0.
    """
    size = (y.shape[0] + _LAG, y.shape[1] + _LAG)  # with zeros, so that no lag wraps around
    power = jnp.abs(jnp.fft.rfft2(y, s=size, axes=(0, 1))) ** 2
    correlation = jnp.fft.irfft2(power, s=size, axes=(0, 1))
    lag = places[:, None] - places[None, :]
    among = jnp.moveaxis(correlation[lag[..., 0], lag[..., 1]], -1, 0)
    towards = jnp.moveaxis(correlation[places[:, 0], places[:, 1]], -1, 0)
    ridge = _RIDGE * correlation[0, 0] + 1e-9  # more than 0 for a constant image
    among = among + ridge[:, None, None] * jnp.eye(len(places))[None]
    factors = jax.scipy.linalg.cho_factor(among)
    return jax.scipy.linalg.cho_solve(factors, towards[..., None])[..., 0].T


def _around(y: Image) -> Image:
    """The sum of the up to eight pixels around each."""
    rows, columns = y.shape[:2]
    padded = jnp.pad(y, ((1, 1), (1, 1), (0, 0)))
    places = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return sum((padded[i : i + rows, j : j + columns] for i, j in places), jnp.zeros_like(y))


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r}: must be above 0 and below 1")
