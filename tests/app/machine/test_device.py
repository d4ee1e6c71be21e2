"""Which device is chosen by its name and number."""

import jax
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.machine import choose_devices, device


@pytest.fixture(autouse=True)
def default_device():
    """Puts back what the choice changes."""
    names = ("jax_default_device", "jax_logging_level")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_device_by_its_number():
    first, second = jax.devices("cpu")  # as the tests' settings make them
    assert choose_devices("cpu").each == [first]
    chosen = choose_devices("cpu:1")
    assert chosen.each == [second]
    assert chosen.description.startswith("cpu:1 (")
    (used,) = jax.numpy.zeros(()).devices()
    assert used == second


@pytest.mark.parametrize(
    ("backend", "count", "words"),
    [
        ("cpu:7", None, r"--backend=cpu:7: is not here, but cpu:0 \(cpu\), cpu:1 \(cpu\); take"),
        ("gpu:1", None, r"--backend=gpu:1: jax finds no such .*, but cpu:0 \(cpu\), cpu:1"),
        ("cuda", None, "--backend=cuda: must be auto, cpu, gpu or tpu, or one of several"),
        ("cpu:", None, "--backend=cpu:: must be"),
        ("auto:0", None, "--backend=auto:0: must be"),
        ("cpu:1", 2, "--devices=2: can't go with --backend=cpu:1; drop one"),
    ],
)
def test_one_that_is_not_here_is_told_with_those_that_are(backend, count, words):
    with pytest.raises(UserError, match=words):
        choose_devices(backend, count)


def test_no_device_at_all_can_be_listed(monkeypatch):
    def fail(**_):
        raise RuntimeError("no platform")

    monkeypatch.setattr(device.jax, "local_devices", fail)
    with pytest.raises(UserError, match=r"no such device here \(no platform\), but cpu:0; take"):
        choose_devices("tpu")


@pytest.mark.parametrize(("level", "then"), [("NOTSET", "CRITICAL"), ("INFO", "INFO")])
def test_cached_programs_are_taken_silently_unless_the_user_wants_to_hear(level, then):
    jax.config.update("jax_logging_level", level)
    choose_devices("cpu")
    assert jax.config.jax_logging_level == then
