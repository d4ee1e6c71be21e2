"""The network that a preset's tiles need."""

import pytest

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import build_generator, change, find_preset
from dip_jax.app.recipe.methods import Plain

FAST = find_preset("fast", "denoise")


def test_tiles_that_continue_take_brightness_and_contrast_from_their_input():
    network = FAST.network.build(3)
    tiles = change(FAST, tile=256)
    assert tiles.counts.later_steps > 0
    assert build_generator(tiles, 3, warm=False) == dip_jax.Matched(network)
    assert build_generator(FAST, 3, warm=True) == dip_jax.Matched(network)
    assert build_generator(change(FAST, tile=0), 3, warm=False) == network
    assert build_generator(change(FAST, tile=256, later_steps=0), 3, warm=False) == network


def test_a_network_that_is_not_fed_the_noisy_picture_is_not_matched():
    for settings in ({"hide": 0.2}, {"method": Plain()}):
        preset = change(FAST, tile=256, later_steps=9, **settings)
        assert build_generator(preset, 3, warm=True) == preset.network.build(3)


def test_continuing_needs_steps():
    preset = find_preset("paper", "denoise")
    with pytest.raises(UserError, match="warm_start=given: needs later_steps above 0"):
        build_generator(preset, 3, warm=True)
