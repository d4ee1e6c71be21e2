"""What a run says: quietly, at length, in JSON; how long it will take."""

import json

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.cli import command, follow, picture
from dip_jax.app.cli.follow import Follower, in_words
from dip_jax.app.cli.voice import Voice
from dip_jax.app.restore import Chunk, Outline, Watch, restore
from dip_jax.operators import Crop
from tests.app.common import run, without_fit


@pytest.fixture
def photo(tmp_path, tiny_presets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 27, 3)).astype(np.uint8)
    Image.fromarray(pixels).save("p.png")
    return "p.png"


FLAGS = ["--task=reconstruct", "--steps=12", "--chunk_steps=5", "--overwrite"]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_events_are_lines_of_json_on_stdout(photo, capsys):
    code, out, err = run(capsys, photo, *FLAGS, "--progress=json", "--members=2")
    assert code == 0
    start, *steps, done = events(out)
    assert start == start | {"event": "start", "schema": 1, "picture": "p.png", "steps": 12}
    assert start == start | {"task": "reconstruct", "width": 27, "height": 20, "channels": 3}
    assert [(each["fit"], each["step"]) for each in steps] == [
        *[(1, 1), (1, 6), (1, 11), (1, 12), (2, 1), (2, 6), (2, 11), (2, 12)]
    ]
    assert steps[1]["percent"] == 25
    assert steps[-1]["percent"] == 100
    assert all(each["event"] == "step" and each["loss"] > 0 for each in steps)
    assert steps[0]["seconds_left"] is None
    assert steps[-1]["seconds_left"] == 0
    assert done == done | {"event": "done", "files": ["p_restored.png"], "interrupted": False}
    assert "done: 24 steps" in err
    assert "restoring" not in err  # no bar


@pytest.mark.slow
def test_events_beside_a_picture_on_stdout(photo, capsysbinary):
    assert command.main([photo, "-", *FLAGS, "--progress=json"]) == 0
    captured = capsysbinary.readouterr()
    assert captured.out.startswith(b"\x89PNG")
    assert events(captured.err.decode())[-1]["event"] == "done"


@pytest.mark.slow
def test_quiet_and_verbose(photo, capsys):
    assert run(capsys, photo, *FLAGS, "--quiet") == (0, "", "")
    code, out, err = run(capsys, "gone.png", "--quiet")
    assert (code, out) == (2, "")
    assert err == "dip-jax: --image=gone.png: does not exist; check the path\n"
    assert run(capsys, "p*.png", "out", *FLAGS, "--quiet") == (0, "", "")
    code, out, _ = run(capsys, photo, *FLAGS, "--verbose")
    assert (code, "settings: {" in out, "versions: jax" in out) == (0, True, True)
    code, _, err = run(capsys, photo, "--quiet", "--verbose")
    assert (code, "--verbose: can't go with --quiet" in err) == (2, True)


def test_many_pictures_tell_events_too(photo, tmp_path, capsys, monkeypatch):
    (tmp_path / "bad.png").write_text("no picture")

    def fail(observed, *, preset, **options):
        raise ZeroDivisionError("of ours")

    argv = [".", "../" + tmp_path.name + "_out", "--progress=json"]
    monkeypatch.setattr(picture, "restore", without_fit)
    code, out, err = run(capsys, *argv)
    assert code == 1
    assert [(each["event"], each["picture"]) for each in events(out)] == [
        *[("failed", "bad.png"), ("start", "p.png"), ("done", "p.png")]
    ]
    assert "is named as a PNG" in events(out)[0]["problem"]
    code, out, _ = run(capsys, *argv, "--resume")
    assert [each["event"] for each in events(out)] == ["failed", "skipped"]
    monkeypatch.setattr(picture, "restore", fail)
    code, out, err = run(capsys, *argv, "--overwrite", "--verbose")
    assert events(out)[-1] == {"event": "failed", "picture": "p.png"} | {
        "problem": "ZeroDivisionError('of ours')"
    }
    assert "Traceback" in err


def test_what_fails_is_an_event(photo, capsys):
    code, out, err = run(capsys, "gone.png", "--progress=json")
    (event,) = events(out)
    assert (code, event["event"], event["picture"]) == (2, "failed", "gone.png")
    assert err == f"dip-jax: {event['problem']}\n"


def test_the_time_that_is_left_is_measured_without_compiling(capsys, monkeypatch):
    clock = iter((100.0, 104.0, 112.0))
    monkeypatch.setattr(follow.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(follow, "used_bytes", lambda: 1_200_000_000)
    follower = Follower(Voice(events=True), "p.png")
    for step in (1, 11, 31):
        follower.look(Chunk(0, step / 401, 1, 1, step, 401, 0.5, None, lambda: None))
    captured = capsys.readouterr()
    assert [each["seconds_left"] for each in events(captured.out)] == [None, 156.0, 148.0]
    assert captured.err == "about 3 min to go, or less; 1.2 GB of memory\n"


def test_a_large_picture_is_told_before_the_first_step(photo, capsys, monkeypatch):
    monkeypatch.setattr(picture, "restore", without_fit)
    assert "expect" not in run(capsys, photo, "--overwrite")[1]
    Image.new("L", (1200, 1000)).save("large.png")
    out = run(capsys, "large.png")[1]
    assert "1.2 megapixels: expect 6 min and 1 GB with --preset=fast on two cores" in out
    out = run(capsys, "large.png", "--tile=0", "--overwrite")[1]
    assert "1.2 megapixels: expect 32 min and 4 GB with --preset=fast on two cores" in out


def test_the_time_of_windows_is_that_of_their_pixels(photo, capsys, monkeypatch):
    monkeypatch.setattr(picture, "restore", without_fit)
    Image.new("L", (1500, 1200)).save("large.png")
    out = run(capsys, "large.png", "--mask_box=100,100,110,110; 1000,900,110,110")[1]
    assert "0.5 megapixels around the holes: expect 14 min and 2 GB with --preset=fast" in out
    assert "expect" not in run(capsys, "large.png", "--mask_box=9,9,9,9", "--overwrite")[1]
    box = "--mask_box=0,0,900,900"
    assert "1.8 megapixels: expect" in run(capsys, "large.png", box, "--overwrite")[1]


def test_times_in_words():
    assert [in_words(seconds) for seconds in (7, 89, 170, 5000, 9000)] == [
        *["7 s", "89 s", "3 min", "83 min", "2.5 h"]
    ]


@pytest.mark.slow
def test_a_watch_of_ones_own(photo):
    seen = []

    class Mine(Watch):
        def begin(self, outline):
            seen.append(outline)

        def look(self, chunk):
            seen.append(chunk.done)
            return chunk.done > 0.5

    y = np.random.default_rng(0).random((20, 27, 3), np.float32)
    options = {"task": "reconstruct", "steps": 10, "chunk_steps": 3}
    result = restore(y, progress=Mine(), **options)
    assert seen[0] == Outline(0, 0, [Crop(0, 0, 20, 27)], 540)
    assert seen[1:] == pytest.approx([0.1, 0.4, 0.7])
    assert result.interrupted
    shares = []
    restore(y, progress=shares.append, **options)
    assert shares == pytest.approx([0.1, 0.3, 0.3, 0.3])


class Pictures(Watch):
    """Keeps the pictures so far."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def look(self, chunk):
        self.seen.append(chunk.picture())


@pytest.mark.slow
def test_the_picture_so_far(photo):
    watch, y = Pictures(), np.random.default_rng(0).random((20, 27, 3), np.float32)
    restore(y, task="reconstruct", progress=watch, steps=4, chunk_steps=2)
    assert [image.shape for image in watch.seen] == [y.shape] * 3
    assert not np.array_equal(watch.seen[0], watch.seen[-1])
    watch = Pictures()
    restore(y, task="super_resolve", factor=2, progress=watch, steps=1)
    assert watch.seen[0].shape == (40, 54, 3)


@pytest.mark.slow
def test_the_picture_so_far_has_its_known_pixels_and_the_tiles_done(photo):
    y = np.random.default_rng(0).random((300, 300, 3), np.float32)
    mask = np.ones((300, 300), np.float32)
    mask[20:24, 20:24] = mask[250:254, 250:254] = 0
    watch = Pictures()
    result = restore(y, task="inpaint", mask=mask, progress=watch, steps=1)
    first, second = watch.seen  # a window each
    for image in watch.seen:
        np.testing.assert_array_equal(image[mask == 1], y[mask == 1])
        assert image.min() >= 0
        assert image.max() <= 1
    top, bottom = np.s_[20:24, 20:24], np.s_[250:254, 250:254]
    assert (first[top] != y[top]).any()
    np.testing.assert_array_equal(first[bottom], y[bottom])  # not fitted yet
    assert (second[bottom] != y[bottom]).any()
    assert result.image.shape == second.shape


@pytest.mark.slow
def test_a_snapshot_is_left_beside_the_result(photo, tmp_path, capsys):
    code, _, _ = run(capsys, photo, *FLAGS, "--snapshot=now.png")
    assert code == 0
    with Image.open(tmp_path / "now.png") as image, Image.open(photo) as given:
        assert image.size == given.size


def test_snapshots_that_are_refused(photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(picture, "restore", without_fit)
    (tmp_path / "there.png").write_bytes(b"x")
    for name, problem in {
        "now.jpg": "must end in .png",
        "gone/now.png": "lies in a folder that does not exist; make it first",
        "there.png": "exists; name another file, or pass --overwrite",
    }.items():
        code, _, err = run(capsys, photo, f"--snapshot={name}")
        assert (code, err) == (2, f"dip-jax: --snapshot={name}: {problem}\n")
    code, _, err = run(capsys, photo, f"--snapshot={photo}", "--overwrite")
    assert (code, err) == (
        2,
        f"dip-jax: --snapshot={photo}: is the picture itself; name another file\n",
    )
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :9] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    written = (tmp_path / "mask.png").read_bytes()
    flags = ("--mask=mask.png", "--snapshot=mask.png", "--overwrite")
    code, _, err = run(capsys, photo, *flags)
    problem = "is the file of --mask; name another file"
    assert (code, err.splitlines()[-1]) == (2, f"dip-jax: --snapshot=mask.png: {problem}")
    flat = np.random.default_rng(0).integers(100, 120, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    flags = ("--noise_from=flat.png", "--snapshot=flat.png", "--overwrite")
    assert "is the file of --noise_from" in run(capsys, photo, *flags)[2]
    assert (tmp_path / "mask.png").read_bytes() == written
    assert "is for one picture" in run(capsys, ".", "out", "--snapshot=now.png")[2]
    assert (tmp_path / "there.png").read_bytes() == b"x"
