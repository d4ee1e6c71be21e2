"""How the method follows the noise."""

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods import Recorrupted, Sure
from dip_jax.noise import NoiseModel

KERNEL = np.ones((3, 3, 1, 1)) / 3
WHITE = NoiseModel("gaussian", 30.0)
TABLE = np.ones((2, 1))
FAINT = NoiseModel("measured", 5.0, deviation=TABLE, kernel=KERNEL)
STRONG = FAINT._replace(level=20.0)


def test_white_noise_changes_nothing():
    for noise in (None, WHITE):
        assert Recorrupted(0.4).adapt(noise) == Recorrupted(0.4)


def test_correlated_noise_takes_a_larger_share_and_strong_noise_flips():
    assert Recorrupted(0.5).adapt(FAINT) == Recorrupted(0.8)
    assert Recorrupted(0.5).adapt(STRONG) == Recorrupted(0.9, flips=True)
    assert Recorrupted(0.95).adapt(STRONG).noise_share == 0.95
    assert Recorrupted(0.9).adapt(FAINT) == Recorrupted(0.9)
    assert Recorrupted(correlated_share=0.6, flips=True).adapt(FAINT).noise_share == 0.6


def test_a_method_for_white_noise_refuses_correlated_noise():
    assert Sure().adapt(WHITE) == Sure()
    with pytest.raises(UserError, match=r"noise=.*is correlated between pixels"):
        Sure().adapt(FAINT)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"correlated_share": 1.0}, "correlated_share=1.0: must be above 0 and below 1"),
        ({"flips": 2}, "flips=2: must be True or False"),
    ],
)
def test_refusals(settings, words):
    with pytest.raises(UserError, match=words):
        Recorrupted(**settings)
