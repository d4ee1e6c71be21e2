"""One measurement split into two parts with independent noises: one to fit, one to validate.

A fit that never saw the second part can't know its noise. The error against that part is the true
error plus a constant at every step, so its minimum is the moment to stop.
"""

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Image, Key
from dip_jax.noise.coloring import color

_ROUNDING = 0x706C  # a number that a user of the same key would not fold in
_LAG = 4  # pixels between two that are each 2 away from a third
_RELAXATIONS = 100  # a block of 11x11 pixels is smooth by then
_RIDGE = 1e-4  # of the picture's variance; without it smooth pictures get wild weights


def recorrupt(
    key: Key,
    y: Image,
    sigma: Array | float,
    noise_share: float = 0.03,
    transfer: Array | None = None,
) -> tuple[Image, Image]:
    """Returns two copies of ``y`` with Gaussian noise added so that their noises are independent.

    With w from N(0, sigma^2) and the share a: ``y1 = y + sqrt(a / (1 - a)) w`` and
    ``y2 = y - sqrt((1 - a) / a) w``. If the noise of ``y`` is N(0, sigma^2) too, that of y1 has
    the variance ``sigma^2 / (1 - a)`` and that of y2 ``sigma^2 / a``, and they are independent.

    Args:
      key: decides w.
      y: the noisy image ``[h, w, c]``.
      sigma: in the image's units; a number, or an array that broadcasts to y's shape.
      noise_share: a, above 0 and below 1. A smaller share adds less noise to y1.
      transfer: of the filter that makes white noise as correlated as y's, from
        :meth:`.NoiseModel.transfer`; None for white noise.

    Raises:
      ValueError: if ``noise_share`` is out of range.

    Source: Pang et al., Recorrupted-to-Recorrupted, CVPR 2021; Oliveira et al., the coupled
    bootstrap, 2021.
    """
    _check_share("noise_share", noise_share)
    w = sigma * color(jax.random.normal(key, y.shape), transfer)
    ratio = (noise_share / (1 - noise_share)) ** 0.5
    return y + ratio * w, y - w / ratio


def thin(key: Key, y: Image, gain: Array | float, share: float = 0.03) -> tuple[Image, Image]:
    """Splits a Poisson image ``y = gain * counts`` into two independent ones by its counts.

    Each count goes to the second image with probability ``share``. Both are scaled to the
    brightness of ``y``: the first is Poisson with the gain ``gain / (1 - share)``, the second
    with ``gain / share``.

    Args:
      key: decides where each count goes.
      y: ``[h, w, c]``, multiples of ``gain``. Values in between are rounded up or down at random,
        so that their mean is kept.
      gain: brightness of one count, in the image's units.
      share: above 0 and below 1.

    Raises:
      ValueError: if ``share`` is out of range.

    Source: Monroy et al., Generalized Recorrupted-to-Recorrupted, ICLR 2025, table 1.
    """
    _check_share("share", share)
    # Rounding to the nearest count made dark pictures a tenth darker for a gain a tenth too low.
    place = jax.random.uniform(jax.random.fold_in(key, _ROUNDING), y.shape)
    counts = jnp.floor(y / gain + place)
    second = jax.random.binomial(key, counts, share)
    return gain * (counts - second) / (1 - share), gain * second / share


def hold_out(key: Key, height: int, width: int, spacing: int = 7) -> Array:
    """Chooses the pixels left to the validation: ``[h, w, 1]``, 1 there and 0 elsewhere.

    One pixel at random from each square of ``spacing`` pixels, never two neighbours, so that an
    input can be filled in from the pixels around.

    Raises:
      ValueError: if ``spacing`` is below 3, which leaves no choice.
    """
    if spacing < 3:
        raise ValueError(f"spacing={spacing!r}: must be at least 3")
    rows, columns = -(-height // spacing), -(-width // spacing)
    # Not from a square's last row and column, which touch the next square.
    place = jax.random.randint(key, (2, rows, columns), 0, spacing - 1)
    y = jnp.arange(rows)[:, None] * spacing + place[0]
    x = jnp.arange(columns)[None, :] * spacing + place[1]
    return jnp.zeros((height, width, 1)).at[y, x].set(1.0, mode="drop")


def hold_out_blocks(
    key: Key, height: int, width: int, *, reach: int, spacing: int
) -> tuple[Array, Array]:
    """Chooses blocks left to the validation, and their middles: two masks ``[h, w, 1]``.

    One square block of ``2 reach + 1`` pixels at random from each square of ``spacing`` pixels.
    Noise that is correlated over fewer than ``reach`` pixels is not shared between a middle and
    what lies around its block.

    Raises:
      ValueError: if a square of ``spacing`` has no room for a block.
    """
    room = spacing - 2 * reach
    if room < 1:
        raise ValueError(f"spacing={spacing!r}: must be above {2 * reach}")
    rows, columns = height // spacing, width // spacing
    place = reach + jax.random.randint(key, (2, rows, columns), 0, room)
    y = jnp.arange(rows)[:, None] * spacing + place[0]
    x = jnp.arange(columns)[None, :] * spacing + place[1]
    middle = jnp.zeros((height, width, 1)).at[y, x].set(1.0)
    side = 2 * reach + 1
    block = jax.lax.reduce_window(middle, 0.0, jax.lax.max, (side, side, 1), (1, 1, 1), "same")
    return block, middle


def fill_smoothly(y: Image, held: Array) -> Image:
    """Replaces what is held out by the smoothest continuation of what is around it."""
    known = 1 - held

    def mean(image: Image) -> Image:
        wide = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        return (wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]) / 4

    def relax(_: int, image: Image) -> Image:
        return y * known + held * mean(image)

    middle = jnp.sum(y * known, (0, 1), keepdims=True) / jnp.maximum(jnp.sum(known), 1)
    start = y * known + held * middle
    return jax.lax.fori_loop(0, _RELAXATIONS, relax, start)


def fill_held_out(y: Image, held: Array) -> Image:
    """Replaces the held-out pixels of ``y`` by a linear prediction from the 24 around each.

    The weights are those that predict the picture's own pixels best, by its autocorrelation
    (Wiener): nearly a mean in strong noise, nearly an interpolation in fine texture. A generator
    that is fed the result is judged at these pixels as if it had been fed their own values, so
    the prediction should be close: what the generator makes of a bad one counts as its error.

    Args:
      y: ``[h, w, c]``.
      held: ``[h, w, 1]``, 1 at the held-out pixels, 0 elsewhere; from :func:`hold_out`.
    """
    # The held-out values take no part, not even in the weights: the mean of the eight serves.
    seen = jnp.broadcast_to(1 - held, y.shape)
    total, count = _sum_neighbours(seen * y), _sum_neighbours(seen)
    rough = jnp.where(held == 1, total / jnp.maximum(count, 1), y)
    mean = jnp.mean(rough, axis=(0, 1), keepdims=True)
    places = jnp.array([(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)])
    padded = jnp.pad(rough - mean, ((2, 2), (2, 2), (0, 0)), mode="symmetric")

    def add(guess: Image, term: tuple[Array, Array]) -> tuple[Image, None]:
        weight, place = term
        neighbour = jax.lax.dynamic_slice(padded, (*(place + 2), 0), y.shape)
        return guess + weight[None, None] * neighbour, None

    # A loop: the sum of so many terms at once takes seconds to compile, and more memory.
    terms = (_predict_weights(rough - mean, places), places)
    guess, _ = jax.lax.scan(add, jnp.zeros_like(y) + mean, terms)
    return jnp.where(held == 1, jnp.clip(guess, rough.min(), rough.max()), y)


def _predict_weights(y: Image, places: Array) -> Array:
    """Returns the weights ``[n, c]`` that predict a pixel from those at ``places [n, 2]``.

    They minimise the mean squared error over an image ``y`` with mean 0. Places are at most 2
    pixels away.
    """
    size = (y.shape[0] + _LAG, y.shape[1] + _LAG)  # padded with zeros, so no lag wraps around
    power = jnp.abs(jnp.fft.rfft2(y, s=size, axes=(0, 1))) ** 2
    correlation = jnp.fft.irfft2(power, s=size, axes=(0, 1))
    lag = places[:, None] - places[None, :]
    among = jnp.moveaxis(correlation[lag[..., 0], lag[..., 1]], -1, 0)
    towards = jnp.moveaxis(correlation[places[:, 0], places[:, 1]], -1, 0)
    ridge = _RIDGE * correlation[0, 0] + 1e-9  # positive for a constant image
    among = among + ridge[:, None, None] * jnp.eye(len(places))[None]
    factors = jax.scipy.linalg.cho_factor(among)
    return jax.scipy.linalg.cho_solve(factors, towards[..., None])[..., 0].T


def _sum_neighbours(y: Image) -> Image:
    """Sums the up to eight pixels around each."""
    rows, columns = y.shape[:2]
    padded = jnp.pad(y, ((1, 1), (1, 1), (0, 0)))
    places = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return sum((padded[i : i + rows, j : j + columns] for i, j in places), jnp.zeros_like(y))


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"{name}={share!r}: must be above 0 and below 1")
