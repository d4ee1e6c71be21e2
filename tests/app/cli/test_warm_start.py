"""Frames that continue from each other."""

import csv

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import restore
from dip_jax.app.cli import command, picture
from dip_jax.app.files.checkpoint import Checkpoint
from dip_jax.app.restore import fit as fitting
from tests.app.common import contents, run, tiny_runs

FLAGS = ("--warm_start", "--steps=12", "--later_steps=3", "--chunk_steps=1", "--sigma=12")


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


def frame(number, channels=3):
    y, x = np.mgrid[0:24, 0:24]
    noise = np.random.default_rng(number).normal(0, 12, (24, 24, channels))
    pixels = (60 + 4 * ((x + number) % 24) + 3 * y)[:, :, None] + noise
    return np.clip(pixels, 0, 255).astype(np.uint8).squeeze()


def shoot(folder):
    folder.mkdir()
    for number in range(3):
        Image.fromarray(frame(number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def film(tmp_path):
    return shoot(tmp_path / "film")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run leaves that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    film, out = shoot(folder / "film"), folder / "out"
    with tiny_runs(folder):
        assert command.main([f"--image={film}", f"--out={out}", *FLAGS]) == 0
    return contents(out)


def losses(folder):
    with (folder / "trace.csv").open(encoding="utf-8") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_later_frames_begin_where_the_one_before_ended(film, tmp_path, capsys):
    Image.fromarray(frame(5, channels=1)).save(film / "0_grey.png")  # a network of its own
    assert run(capsys, f"--image={film}", f"--out={tmp_path / 'o'}", *FLAGS)[0] == 0
    traces = [losses(tmp_path / "o" / name) for name in ("0", "1", "2", "0_grey")]
    assert [len(trace) for trace in traces] == [12, 3, 3, 12]
    assert traces[1][0] < 0.9 * traces[0][0]
    assert not list((tmp_path / "o").glob(".warm_start*"))
    again = run(capsys, f"--image={film}", f"--out={tmp_path / 'again'}", *FLAGS)
    assert again[0] == 0
    assert contents(tmp_path / "again") == contents(tmp_path / "o")
    plain = tmp_path / "plain"
    assert run(capsys, film, plain, *FLAGS)[0] == 0
    for name in ("0", "1", "2"):
        paths = plain / f"{name}.png", tmp_path / "o" / name / "restored.png"
        np.testing.assert_array_equal(*(np.asarray(Image.open(path)) for path in paths))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [5, 13, 14])  # in the first frame, and in the second
def test_a_resumed_film_has_the_same_bits(film, whole, steps, tmp_path, capsys, monkeypatch):
    add, taken = fitting._Course.add, []

    def interrupted(self, state, trace):
        add(self, state, trace)
        taken.append(trace)
        if len(taken) == steps:
            raise KeyboardInterrupt

    flags = [f"--image={film}", f"--out={tmp_path / 'o'}", *FLAGS, "--checkpoint=0"]
    monkeypatch.setattr(fitting._Course, "add", interrupted)
    assert run(capsys, *flags)[0] == 130
    monkeypatch.setattr(fitting._Course, "add", add)
    assert run(capsys, *flags, "--resume")[0] == 0
    assert contents(tmp_path / "o") == whole


@pytest.mark.slow
def test_a_kill_before_the_results_are_written_changes_no_bit(
    film, whole, tmp_path, capsys, monkeypatch
):
    write = picture.write_results

    def killed(folder, **arrays):
        if folder.name == "1":
            raise KeyboardInterrupt
        return write(folder, **arrays)

    flags = [f"--image={film}", f"--out={tmp_path / 'o'}", *FLAGS]
    monkeypatch.setattr(picture, "write_results", killed)
    assert run(capsys, *flags)[0] == 130
    monkeypatch.setattr(picture, "write_results", write)
    assert run(capsys, *flags, "--resume")[0] == 0
    assert contents(tmp_path / "o") == whole


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--devices=2"], "--warm_start: needs one process and one device"),
        (["--coordinator=127.0.0.1:1", "--processes=2", "--process=0", "--out=o"], "one process"),
        (["--preset=paper"], "needs --later_steps above 0, which these settings lack; add --later"),
    ],
)
def test_what_can_t_go_with_it(film, flags, words, capsys):
    code, _, errors = run(capsys, film, "--warm_start", *flags)
    assert code == 2
    assert words in errors


def test_one_picture_has_none_before_it(film, capsys):
    code, _, errors = run(capsys, film / "0.png", "--warm_start")
    assert (code, "--warm_start: is for many pictures; drop it" in errors) == (2, True)


@pytest.mark.slow
def test_arrays_continue_and_other_networks_are_refused():
    options = {"sigma": 12.0, "steps": 6, "later_steps": 2, "progress": False}
    first = restore(frame(0), warm_start=True, **options)
    assert first.carried is not None
    second = restore(frame(1), warm_start=first.carried, **options)
    assert [len(result.trace["loss"]) for result in (first, second)] == [6, 2]
    assert restore(frame(1), **options).carried is None
    with pytest.raises(ValueError, match="warm_start=given: holds 1 of 2 members"):
        restore(frame(1), warm_start=first.carried, members=2, **options)
    with pytest.raises(ValueError, match="warm_start=given: is from another network"):
        restore(frame(1, channels=1), warm_start=first.carried, **options)


@pytest.mark.slow
def test_frames_without_noise_or_with_impulses_hand_on_what_they_got():
    options = {"steps": 6, "later_steps": 2, "progress": False}
    flat = np.full((64, 64, 3), 0.5, np.float32)
    unchanged = restore(flat, warm_start=True, **options)
    assert unchanged.carried == {}
    first = restore(frame(0), warm_start=unchanged.carried, sigma=12.0, **options)
    assert len(first.trace["loss"]) == 6
    speckled = flat.copy()
    speckled[np.random.default_rng(0).random((64, 64)) < 0.1] = 1.0
    filled = restore(speckled, warm_start=first.carried, **options)
    assert filled.preset.task.name == "inpaint"
    assert filled.carried == first.carried
    second = restore(frame(1), warm_start=filled.carried, sigma=12.0, **options)
    assert len(second.trace["loss"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("cold", [True, False])
def test_a_resumed_fit_goes_on_as_it_began(cold, tmp_path):
    options = {"sigma": 12.0, "steps": 6, "later_steps": 4, "chunk_steps": 1, "progress": False}
    carried = restore(frame(0), warm_start=True, **options).carried
    given = (True, carried) if cold else (carried, True)
    whole = restore(frame(1), warm_start=given[0], **options)
    seen = []

    def interrupt(share):
        seen.append(share)
        return len(seen) == 3

    with Checkpoint(tmp_path, {}, seconds=0) as checkpoint:
        begun = options | {"progress": interrupt, "checkpoint": checkpoint}
        assert restore(frame(1), warm_start=given[0], **begun).interrupted
    with Checkpoint(tmp_path, {}, seconds=0) as checkpoint:
        rest = restore(frame(1), warm_start=given[1], checkpoint=checkpoint, **options)
    np.testing.assert_array_equal(rest.image, whole.image)
