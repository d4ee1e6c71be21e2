"""Stops by an independent noisy copy of the picture."""

from dataclasses import dataclass

import jax

from dip_jax.app.recipe.rules.base import (
    Division,
    Measurement,
    ValidatedRule,
    where_comparable,
)
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.base import Key
from dip_jax.noise import NoiseModel, recorrupt, redraw_clipped, thin


@dataclass(frozen=True)
class IndependentCopy(ValidatedRule):
    """Makes two copies with independent noises, fits one and compares with the other.

    For denoising, where the noise level is given or estimated. It chooses as well as held-out
    pixels do (36 fits each: at worst 0.20 and 0.19 dB lost). A level that is too low deceives it,
    and so does noise that is more correlated than its model: the copies then share noise.
    """

    name = "r2r"
    summary = "by an independent copy of the noisy picture"
    needs_noise = True

    def suits(self, task: TaskSpec, *, feeds_picture: bool) -> bool:
        del feeds_picture
        return task.takes_noise and task.measures_pixels

    def divide(
        self, key: Key, data: Measurement, noise: NoiseModel | None, *, feeds_noise: bool
    ) -> Division:
        assert noise is not None
        y = data.y
        weight = where_comparable(data, noise)
        share = _share(*y.shape[:2])
        if feeds_noise:  # the fit and its validation then know nothing of clipping
            sigma, chance = noise.before_clipping(y)
            y = redraw_clipped(jax.random.fold_in(key, 1), y, sigma, chance)
        else:
            sigma = noise.standard_deviation(y)
        if noise.kind == "poisson":
            fitted, other = thin(key, y, noise.level / 255, share)
        else:
            fitted, other = recorrupt(key, y, sigma, share, noise.transfer(*y.shape[:2]))
        rest = noise._replace(clipped=False) if feeds_noise else noise
        return Division(fitted, data.known, rest, (1 - share) ** -0.5, other, weight)


def _share(height: int, width: int) -> float:
    """Returns the share of a canvas's information that goes to the copy to compare with.

    0.03 for 128x128, which costs 0.07 dB at sigma 15; half of it for four times the pixels, as for
    held-out pixels.
    """
    return min(0.1, 0.03 * (height * width / 128**2) ** -0.5)
