import pytest

from dip_jax.app import presets


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    """Compiled programs of tests do not go to the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def small_presets(monkeypatch):
    """All presets with one scale of width 4: they compile in seconds, not minutes."""

    def small(options):
        values = dict(options)
        if "widths" in values:
            values["widths"] = (4,)
        if isinstance(values.get("skip_widths"), tuple):
            values["skip_widths"] = values["skip_widths"][-1:]
        elif "skip_widths" in values:
            values["skip_widths"] = min(values["skip_widths"], 4)
        return tuple(values.items())

    monkeypatch.setattr(
        presets,
        "PRESETS",
        tuple(
            preset._replace(options=small(preset.options), depth=min(preset.depth, 4))
            for preset in presets.PRESETS
        ),
    )
