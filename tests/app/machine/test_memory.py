"""How much memory is free, by made-up tables of the machine."""

import sys
import types

import pytest

from dip_jax.app.machine import memory


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Makes a control group within ``job/step``, with limits."""
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "_GROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/job/step\n")

    def make(**limits):
        for name, limit in limits.items():
            place = tmp_path / {"root": "", "job": "job", "step": "job/step"}[name]
            place.mkdir(parents=True, exist_ok=True)
            (place / "memory.max").write_text(f"{limit}\n")
            (place / "memory.current").write_text("900\n")
            (place / "memory.stat").write_text("anon 1\ninactive_file 100\n")

    return make


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({}, sys.maxsize),
        ({"job": "max", "step": "max"}, sys.maxsize),
        ({"job": "max", "step": "2000"}, 1200),
        ({"job": "3000", "step": "max"}, 2200),
        ({"job": "3000", "step": "4000"}, 2200),
        ({"root": "1000", "job": "3000", "step": "max"}, 200),
        ({"step": "700"}, 0),
    ],
)
def test_the_least_limit_of_all_groups_counts(group, limits, free):
    group(**limits)
    assert memory._free_in_group() == free


def test_a_device_without_an_account_has_no_limit(monkeypatch):
    device = types.SimpleNamespace(memory_stats=lambda: None)
    monkeypatch.setattr(memory.jax, "default_backend", lambda: "gpu")
    array = types.SimpleNamespace(devices=lambda: [device])
    monkeypatch.setattr(memory.jnp, "zeros", lambda shape: array)
    assert memory.available_bytes() == sys.maxsize
    device.memory_stats = lambda: {"bytes_limit": 50, "bytes_in_use": 20}
    assert memory.available_bytes() == 30


def test_devices_of_a_cpu_share_what_is_free_and_what_they_have(monkeypatch):
    monkeypatch.setattr(memory.jax, "default_backend", lambda: "cpu")
    for free, own in ((8000, 0), (5000, 3000)):  # before a fit, and beside it
        monkeypatch.setattr(memory, "_free_on_machine", lambda free=free: free)
        monkeypatch.setattr(memory, "_free_in_group", lambda: sys.maxsize)
        monkeypatch.setattr(memory, "_held_bytes", lambda own=own: own)
        monkeypatch.setattr(memory.jax, "local_device_count", lambda: 2)
        assert memory.available_bytes() == 4000
        monkeypatch.setattr(memory.jax, "local_device_count", lambda: 1)
        assert memory.available_bytes() == free
