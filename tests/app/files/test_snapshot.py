"""The picture of a fit under way."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.files import snapshot
from dip_jax.app.files.snapshot import Snapshot


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(snapshot.time, "monotonic", lambda: now[0])
    return now


def flat(value, height=4, width=6, channels=3):
    return lambda: np.full((height, width, channels), value, np.float32)


def first_pixel(path):
    with Image.open(path) as image:
        return image.getpixel((0, 0))


def test_it_is_replaced_a_second_later(tmp_path, clock):
    path, notes = tmp_path / "now.png", []
    shown = Snapshot(path, notes.append)
    shown.offer(flat(1.0))
    assert first_pixel(path) == (255, 255, 255)
    clock[0] = 0.9
    shown.offer(flat(0.0))
    assert first_pixel(path) == (255, 255, 255)
    clock[0] = 1.1
    shown.offer(flat(0.0))
    assert first_pixel(path) == (0, 0, 0)
    assert [file.name for file in tmp_path.iterdir()] == ["now.png"]
    assert notes == []


def test_what_takes_long_is_shown_seldom(tmp_path, clock):
    def slow():
        clock[0] += 3
        return flat(1.0)()

    shown = Snapshot(tmp_path / "now.png", print)
    shown.offer(slow)
    for second, value in ((60, 255), (64, 0)):  # after 20 times as long
        clock[0] = second
        shown.offer(flat(0.0))
        assert first_pixel(tmp_path / "now.png")[0] == value


def test_large_pictures_and_many_channels_can_be_shown(tmp_path):
    Snapshot(tmp_path / "a.png", print).offer(flat(0.5, 2049, 5000, 1))
    Snapshot(tmp_path / "b.png", print).offer(flat(0.5, 4, 6, 7))
    Snapshot(tmp_path / "c.png", print).offer(flat(0.5, 1, 5000, 1))
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert (a.size, a.mode) == ((1666, 683), "L")
        assert (b.size, b.mode) == ((6, 4), "RGB")


def test_a_full_disk_does_not_end_the_run(tmp_path):
    notes = []
    shown = Snapshot(tmp_path / "gone" / "now.png", notes.append)
    for _ in range(2):
        shown.offer(flat(1.0))
    assert len(notes) == 1
    assert "can't be written (No such file or directory); the run goes on without" in notes[0]
