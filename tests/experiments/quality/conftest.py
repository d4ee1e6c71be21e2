"""Presets for tables of which the tests look at the lines, not at the pictures."""

import pytest

from dip_jax.app.recipe import change, presets


@pytest.fixture
def quick_presets(tiny_presets, monkeypatch):
    """Tiny presets that take ten steps."""
    quick = tuple(change(preset, steps=10) for preset in presets.PRESETS)
    monkeypatch.setattr(presets, "PRESETS", quick)
