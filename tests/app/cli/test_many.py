"""Many pictures in one run: pairing, failures, the summary, resuming."""

import csv
import json
import os
import signal
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.cli import batch, command, picture
from dip_jax.app.errors import FitError
from dip_jax.app.files import checkpoint
from dip_jax.app.files.checkpoint import FOLDER
from dip_jax.app.files.locks import lock_folder
from dip_jax.app.files.results import FILES
from dip_jax.app.files.summary import write_summary
from dip_jax.app.restore import fit as fitting
from tests.app.common import contents, run


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


def save(path, height=20, width=24, seed=0):
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).normal(0, 12, (height, width, 3))
    pixels = np.stack([60 + 4 * x, 80 + 3 * y, 120 + 40 * (x > y)], 2) + noise
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / "photos" / f"{name}.png", seed=number)
    return tmp_path / "photos"


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {row["picture"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_folder_is_restored_as_each_picture_alone(photos, tmp_path, capsys):
    clean = tmp_path / "clean"
    for name in "abc":
        save(clean / f"{name}_reference.png", seed=7)
    (photos / "notes.txt").write_text("no picture")
    out = tmp_path / "out"
    flags = ["--steps=5", f"--reference={clean}"]
    code, text, _ = run(capsys, f"--image={photos}", f"--out={out}", *flags)
    assert code == 0
    assert "3 of 3 pictures done, with 1 programs compiled" in text
    single = tmp_path / "single"
    flags[1] = f"--reference={clean / 'b_reference.png'}"
    run(capsys, f"--image={photos / 'b.png'}", f"--out={single}", *flags)
    for name in FILES[:-1]:
        assert (out / "b" / name).read_bytes() == (single / name).read_bytes()
    table = rows(out)
    assert list(table) == ["a", "b", "c"]
    record = json.loads((out / "b" / "run.json").read_text())
    assert float(table["b"]["psnr"]) == record["scores"]["restored"]["psnr"]
    summary = (out / "summary.md").read_text()
    scores = [float(row["psnr"]) for row in table.values()]
    assert "3 pictures: 3 done" in summary
    assert f"| {np.mean(scores):.2f} |" in summary.splitlines()[-2]
    assert f"| {min(scores):.2f} |" in summary.splitlines()[-1]


@pytest.mark.slow
def test_bad_files_do_not_keep_the_others_from_theirs(photos, tmp_path, capsys):
    (photos / "empty.png").touch()
    (photos / "text.jpg").write_text("hello")
    whole = (photos / "a.png").read_bytes()
    (photos / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(photos / "deep.png")
    np.save(photos / "complex.npy", np.zeros((4, 4), complex))
    out = tmp_path / "out"
    code, text, errors = run(capsys, f"--image={photos}", f"--out={out}", "--steps=2")
    assert code == 1
    table = rows(out)
    bad = {name for name, row in table.items() if row["state"].startswith("failed: ")}
    assert {"empty", "text", "truncated", "complex"} <= bad
    assert {name for name in table if name not in bad} >= {"a", "b", "c"}
    assert f"{len(table) - len(bad)} of {len(table)} pictures done" in text
    for name in bad:
        assert f"  {name}: " in errors
        assert "Traceback" not in errors
        assert {path.name for path in (out / name).iterdir()} == {"failed.txt"}
    # Once mended, --resume does what is missing and nothing else.
    before = (out / "a" / "restored.png").stat().st_mtime_ns
    for name in bad:
        next(photos.glob(f"{name}.*")).unlink()
        save(photos / f"{name}.png")
    code, text, _ = run(capsys, f"--image={photos}", f"--out={out}", "--steps=2", "--resume")
    assert code == 0
    assert (out / "a" / "restored.png").stat().st_mtime_ns == before
    assert all(row["state"] == "done" for row in rows(out).values())
    assert not list(out.rglob("failed.txt"))


@pytest.mark.slow
def test_a_diverged_fit_fails_alone(photos, tmp_path, capsys, monkeypatch):
    def fail(values, preset, inputs, own, *rest, **options):
        if inputs.name == "b":
            raise FitError("the fit diverged beyond recovery")
        return picture.restore_file(values, preset, inputs, own, *rest, **options)

    monkeypatch.setattr(batch, "restore_file", fail)
    code, _, errors = run(capsys, f"--image={photos}", f"--out={tmp_path / 'o'}", "--steps=2")
    assert code == 1
    assert "b: the fit diverged" in errors
    assert rows(tmp_path / "o")["c"]["state"] == "done"


@pytest.mark.slow
def test_pictures_may_bring_their_masks(photos, tmp_path, capsys):
    for name in "ab":
        erased = np.asarray(Image.open(photos / f"{name}.png").convert("RGBA")).copy()
        erased[4:9, 3:9, 3] = 0
        Image.fromarray(erased).save(photos / f"{name}.png")
    flags = ["--task=inpaint", f"--image={photos}", "--steps=2"]
    code, _, errors = run(capsys, *flags, f"--out={tmp_path / 'o'}")
    assert code == 1
    assert [row["state"][:6] for row in rows(tmp_path / "o").values()] == ["done", "done", "failed"]
    assert "c: --mask: is needed for --task=inpaint" in errors
    restored = np.asarray(Image.open(tmp_path / "o" / "a" / "restored.png"))
    assert (restored[:, :, 3] == 255).all()
    assert run(capsys, *flags, "--mask_box=1,2,3,4", f"--out={tmp_path / 'p'}")[0] == 0
    code, _, errors = run(capsys, *flags, "--mask_color=red", f"--out={tmp_path / 'q'}")
    assert code == 2
    assert "dip-jax: --mask_color=red: is nowhere on the picture" in errors
    assert not (tmp_path / "q").exists()


@pytest.mark.slow
def test_pictures_without_a_mask_are_told(photos, tmp_path, capsys):
    masks = tmp_path / "masks"
    masks.mkdir()
    mask = np.full((20, 24), 255, np.uint8)
    mask[4:9] = 0
    Image.fromarray(mask).save(masks / "a.png")
    flags = ["--task=inpaint", f"--image={photos}", f"--out={tmp_path / 'o'}", "--steps=2"]
    code, _, errors = run(capsys, *flags, f"--mask={masks}")
    assert code == 2
    assert "has no partner for b, c; name files like the pictures" in errors
    assert not (tmp_path / "o").exists()
    assert run(capsys, *flags)[0] == 2
    # One for all.
    assert run(capsys, *flags, f"--mask={masks / 'a.png'}")[0] == 0
    Image.fromarray(mask).save(masks / "b_mask.png")
    Image.fromarray(mask[:, :-1]).save(masks / "c.png")
    code, _, errors = run(
        capsys, *flags[:2], flags[3], f"--mask={masks}", f"--out={tmp_path / 'p'}"
    )
    assert code == 1
    assert "c: --mask=" in errors
    assert rows(tmp_path / "p")["b"]["state"] == "done"


def test_a_folder_without_pictures_is_told(photos, tmp_path, capsys):
    for path in photos.iterdir():
        path.unlink()
    code, _, errors = run(capsys, f"--image={photos}", f"--out={tmp_path / 'o'}")
    assert (code, "holds no picture" in errors) == (2, True)
    assert not (tmp_path / "o").exists()


def test_two_pictures_of_one_stem_and_a_tree(photos, tmp_path, capsys):
    save(photos / "a.jpg")
    save(photos / "below" / "a.png")
    out = tmp_path / "o"
    flags = [f"--image={photos}", f"--out={out}", "--steps=2", "--sigma=20"]
    assert run(capsys, *flags)[0] == 0
    assert list(rows(out)) == ["a.jpg", "a.png", "b", "c"]
    assert set(FILES) == {path.name for path in (out / "a.jpg").iterdir()}
    code, text, _ = run(capsys, *flags, "--recursive", "--resume")
    assert (code, "5 of 5 pictures done" in text) == (0, True)
    assert list(rows(out)) == ["a.jpg", "a.png", "b", "c", "below/a"]
    assert (out / "below" / "a" / "restored.png").exists()


def test_references_beside_a_demonstration_are_told_at_once(photos, tmp_path, capsys):
    flags = [f"--image={photos}", f"--reference={photos}", f"--out={tmp_path / 'o'}"]
    code, _, errors = run(capsys, *flags, "--add_noise")
    assert (code, len(errors.splitlines())) == (2, 1)
    assert f"--reference={photos}: can't go with --add_noise" in errors
    assert not (tmp_path / "o").exists()


def test_results_do_not_go_among_the_pictures(photos, capsys):
    for out in (photos, photos / "out"):
        code, _, errors = run(capsys, f"--image={photos}", f"--out={out}")
        assert code == 2
        assert "lies in the folder of pictures" in errors
    assert not (photos / "out").exists()


class Killed(BaseException):
    """Takes the place of a kill -9: nothing catches it."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "size"),
    [
        (["--sigma=20"], (20, 24)),
        (["--task=inpaint", "--missing=30"], (40, 40)),  # large enough for a stopping rule
    ],
)
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(
    task, size, photos, tmp_path, capsys, monkeypatch
):
    """Kills fall in a fit, between two members, and between two pictures."""
    members, steps = 2, 11
    flags = [f"--image={photos}", f"--steps={steps}", "--chunk_steps=5", "--checkpoint=0"]
    flags += [f"--members={members}", *task]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    (photos / "c.png").unlink()
    for number, name in enumerate("ab"):
        save(photos / f"{name}.png", *size, number)
    assert run(capsys, *flags, f"--out={whole}")[0] == 0
    add, taken = fitting._Course.add, []
    life = iter((2, 1, 3, 2, 1, 50))
    left = [next(life)]

    def mortal(self, state, trace):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        taken.append(len(trace["loss"]))
        add(self, state, trace)

    monkeypatch.setattr(fitting._Course, "add", mortal)
    ends = 0
    while True:
        try:
            assert command.main([*flags, f"--out={killed}", "--resume"]) == 0
            break
        except Killed:
            ends += 1
            left[0] = next(life)
    assert ends >= 5
    assert contents(killed) == contents(whole)
    assert not list(killed.rglob(FOLDER))
    # Nothing was done twice. (The chunk in which a kill falls is not counted.)
    assert sum(taken) == 2 * members * steps


def test_resume_refuses_other_settings(photos, tmp_path, capsys):
    flags = [f"--image={photos / 'a.png'}", f"--out={tmp_path / 'o'}"]
    assert run(capsys, *flags, "--steps=2")[0] == 0
    code, out, _ = run(capsys, *flags, "--steps=2", "--resume")
    assert (code, "finished before" in out) == (0, True)
    code, _, errors = run(capsys, *flags, "--steps=3", "--resume")
    assert code == 2
    assert "counts.steps was 2, is 3" in errors
    code, _, errors = run(capsys, *flags, "--steps=2")
    assert code == 2
    assert "pass --resume or --overwrite" in errors
    assert "needs the --out" in run(capsys, flags[0], "--resume")[2]


def test_a_kill_after_the_results_leaves_no_checkpoint_for_ever(photos, tmp_path, capsys):
    out = tmp_path / "o"
    flags = [f"--image={photos / 'a.png'}", f"--out={out}", "--steps=2"]
    assert run(capsys, *flags)[0] == 0
    whole = contents(out)
    left = out / FOLDER / "1"  # as of a run that was killed before it cleared up
    left.mkdir(parents=True)
    (left / "_METADATA").write_text("{}")
    code, text, _ = run(capsys, *flags, "--resume")
    assert (code, "finished before" in text) == (0, True)
    assert contents(out) == whole


def test_resume_refuses_the_whole_folder_before_it_writes(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(capsys, f"--image={photos}", f"--out={out}", "--steps=2")[0] == 0
    save(photos / "d.png")
    before = contents(out)
    flags = (f"--image={photos}", f"--out={out}", "--resume")
    code, _, errors = run(capsys, *flags, "--steps=3")
    assert (code, "counts.steps was 2, is 3" in errors) == (2, True)
    assert len(errors.splitlines()) == 1
    assert contents(out) == before
    assert not (out / "d").exists()
    # A flag that only limits the memory does not count as another setting.
    code, text, _ = run(capsys, *flags, "--steps=2", "--fit_memory")
    assert (code, text.count("4 of 4 pictures done")) == (0, 1)


def test_an_old_result_is_not_shown_for_a_picture_that_failed(photos, tmp_path, capsys):
    out = tmp_path / "out"
    flags = (f"--image={photos}", f"--out={out}", "--steps=2")
    assert run(capsys, *flags)[0] == 0
    (photos / "a.png").write_text("garbage")
    assert run(capsys, *flags, "--overwrite")[0] == 1
    assert rows(out)["a"]["state"].startswith("failed: ")
    assert rows(out)["a"]["steps"] == ""
    assert "2 done" in (out / "summary.md").read_text()


@pytest.mark.parametrize("change", ["another length", "one less"])
def test_a_fit_of_another_version_is_one_line(change, photos, tmp_path, capsys, monkeypatch):
    flags = [
        f"--image={photos / 'a.png'}",
        f"--out={tmp_path / 'o'}",
        "--steps=9",
        "--chunk_steps=3",
    ]
    flags += ["--sigma=20", "--checkpoint=0"]
    arrays, add = fitting._Course.arrays, fitting._Course.add

    def others(self, state):
        kept = arrays(self, state)
        last = max(kept["state"])
        if change == "one less":
            del kept["state"][last]
        else:
            kept["state"][last] = np.zeros(7, np.float32)
        return kept

    def mortal(self, state, trace):
        if self._traces:
            raise Killed
        add(self, state, trace)

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Course, "arrays", others)
        patch.setattr(fitting._Course, "add", mortal)
        with pytest.raises(Killed):
            command.main(flags)
    assert (tmp_path / "o" / FOLDER).exists()
    code, _, errors = run(capsys, *flags, "--resume")
    assert code == 2
    assert "another version" in errors
    assert "--overwrite" in errors
    assert "Traceback" not in errors
    assert run(capsys, *flags, "--overwrite")[0] == 0


@pytest.mark.slow
def test_what_was_to_be_written_over_goes_on(photos, tmp_path, capsys, monkeypatch):
    out, whole = tmp_path / "o", tmp_path / "whole"
    flags = [f"--image={photos / 'a.png'}", "--sigma=20", "--chunk_steps=5", "--checkpoint=0"]
    run(capsys, *flags, f"--out={out}", "--steps=3")
    run(capsys, *flags, f"--out={whole}", "--steps=20")
    add, left = fitting._Course.add, [3]

    def mortal(self, state, trace):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        add(self, state, trace)

    monkeypatch.setattr(fitting._Course, "add", mortal)
    with pytest.raises(Killed):
        command.main([*flags, f"--out={out}", "--steps=20", "--overwrite"])
    left[0] = 99
    assert run(capsys, *flags, f"--out={out}", "--steps=20", "--resume")[0] == 0
    assert contents(out) == contents(whole)
    assert left[0] > 99 - 5  # it went on from where it was


def test_two_runs_do_not_share_a_folder(photos, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with lock_folder(out):
        flags = (f"--image={photos / 'a.png'}", f"--out={out}", "--steps=2")
        code, _, errors = run(capsys, *flags, "--overwrite")
        assert (code, "is used by another run" in errors) == (2, True)
        assert (run(capsys, *flags)[0], len(list(out.iterdir()))) == (2, 1)
    assert run(capsys, *flags)[0] == 0


def test_an_interrupt_waits_for_the_chunk_and_keeps_it(photos, tmp_path, capsys, monkeypatch):
    add = fitting._Course.add

    def interrupted(self, state, trace):
        add(self, state, trace)
        if len(self.trace["loss"]) == 11:  # the first step, and two chunks
            os.kill(os.getpid(), signal.SIGINT)

    flags = [f"--image={photos / 'a.png'}", "--sigma=20", "--chunk_steps=5", "--steps=20"]
    monkeypatch.setattr(fitting._Course, "add", interrupted)
    code, text, _ = run(capsys, *flags, f"--out={tmp_path / 'o'}")
    assert (code, "interrupted after 11 steps" in text) == (130, True)
    monkeypatch.setattr(fitting._Course, "add", add)
    assert run(capsys, *flags, f"--out={tmp_path / 'o'}", "--resume")[0] == 0
    assert run(capsys, *flags, f"--out={tmp_path / 'whole'}")[0] == 0
    assert contents(tmp_path / "o") == contents(tmp_path / "whole")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_resume_leaves_a_foreign_folder_alone(photos, tmp_path, capsys):
    for number, text in enumerate(("[]", "null", '{"interrupted": false, "run": null}', "{}")):
        out = tmp_path / str(number)
        (out / "a").mkdir(parents=True)
        (out / "a" / "restored.png").write_text("precious")
        flags = (f"--out={out / 'a'}", "--steps=2", "--resume")
        code, _, errors = run(capsys, f"--image={photos / 'a.png'}", *flags)
        assert (code, "no run to continue" in errors) == (2, True)
        (out / "a" / ".checkpoint" / "1").mkdir(parents=True)
        (out / "a" / ".checkpoint" / "settings.json").write_text(text)
        code, _, errors = run(capsys, f"--image={photos}", f"--out={out}", *flags[1:])
        assert code in (1, 2)
        assert "Traceback" not in errors
        assert (out / "a" / "restored.png").read_text() == "precious"


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: namedtuple("D", "free")(9))
    with checkpoint.Checkpoint(tmp_path, {}, 0) as kept:
        kept.offer(lambda: {"a": np.zeros(8)})
    assert "no checkpoint could be written (0.0 MB wanted" in capsys.readouterr().err
    assert not list((tmp_path / FOLDER).glob("1*"))


def test_names_that_are_hard_to_print(photos, tmp_path, capsys):
    (photos / "new\nline|é.png").write_bytes((photos / "a.png").read_bytes())
    with open(os.fsencode(photos) + b"/\xff.png", "wb") as file:
        file.write((photos / "a.png").read_bytes())
    out = tmp_path / "out"
    assert run(capsys, f"--image={photos}", f"--out={out}", "--steps=2")[0] == 0
    assert set(rows(out)) == {"a", "b", "c", r"new\nline|é", r"\udcff"}


def test_empty_values_and_a_name_too_long(capsys):
    for name in ("image", "mask", "reference", "out"):
        code, _, errors = run(capsys, f"--{name}=")
        assert (code, f"--{name}: is empty" in errors) == (2, True)
    code, _, errors = run(capsys, f"--image={'n' * 300}.png")
    assert (code, "--image=" in errors, "Errno" in errors.splitlines()[0][:20]) == (2, True, False)


@pytest.mark.slow
def test_other_alpha_is_another_picture(tmp_path, capsys):
    path, out = tmp_path / "a.png", tmp_path / "out"
    flags = (f"--image={path}", f"--out={out}", "--steps=2")
    for alpha in (200, 50):
        pixels = np.full((16, 16, 4), 90, np.uint8)
        pixels[:, :, 3] = alpha
        Image.fromarray(pixels).save(path)
        if alpha == 200:
            assert run(capsys, *flags)[0] == 0
    code, _, errors = run(capsys, *flags, "--resume")
    assert (code, "alpha_channel was" in errors) == (2, True)


def test_resume_refuses_a_foreign_folder_each_time(photos, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "b").mkdir(parents=True)
    flags = (f"--image={photos}", f"--out={out}", "--steps=2", "--resume")
    for name, text in (("restored.png", "precious"), ("run.json", '{"mine": 1}')):
        (out / "b" / name).write_text(text)
        for _ in range(2):
            code, _, errors = run(capsys, *flags)
            assert (code, "no run to continue" in errors) == (2, True)
            assert [path.name for path in out.iterdir()] == ["b"]
            assert {path.name for path in (out / "b").iterdir()} == {name}
        single = (f"--image={photos / 'b.png'}", f"--out={out / 'b'}", *flags[2:])
        assert run(capsys, *single)[0] == 2
        assert (out / "b" / name).read_text() == text
        (out / "b" / name).unlink()
    for name in ("summary.csv", "summary.md"):
        (out / name).write_text("mine")
        code, _, errors = run(capsys, *flags)
        assert (code, f"holds a {name} of something else" in errors) == (2, True)
        (out / name).unlink()
    assert run(capsys, *flags)[0] == 0
    assert run(capsys, *flags)[0] == 0


def test_overwrite_with_resume_restores_again_what_differs(photos, tmp_path, capsys):
    flags = (f"--image={photos}", f"--out={tmp_path / 'out'}")
    assert run(capsys, *flags, "--steps=2")[0] == 0
    (photos / "d.png").write_bytes((photos / "a.png").read_bytes())
    more = (*flags, "--steps=3", "--resume")
    assert "--overwrite with --resume" in run(capsys, *more)[2]
    record = tmp_path / "out" / "a" / "run.json"
    (tmp_path / "out" / "b" / "run.json").unlink()
    assert run(capsys, *more, "--overwrite")[0] == 0
    before = record.read_bytes()
    assert {row["steps"] for row in rows(tmp_path / "out").values()} == {"3"}
    code, _, errors = run(capsys, *more, "--overwrite")
    assert (code, errors.count("finished before")) == (0, 4)
    assert record.read_bytes() == before


@pytest.mark.slow
def test_a_summary_counts_what_this_run_has_done(photos, tmp_path, capsys, monkeypatch):
    """Of an earlier run's results beside: neither their states nor their scores."""
    out = tmp_path / "out"
    flags = (f"--image={photos}", f"--out={out}")
    assert run(capsys, *flags, "--steps=2", "--add_noise")[0] == 0
    fit = picture.restore

    def once(*arguments, **options):
        monkeypatch.setattr(picture, "restore", interrupted)
        return fit(*arguments, **options)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(picture, "restore", once)
    other = ("--task=super_resolve", "--downsample", "--factor=2", "--steps=2", "--overwrite")
    assert run(capsys, *flags, *other)[0] == 130
    assert [row["state"] for row in rows(out).values()] == ["done", "not done", "not done"]
    text = (out / "summary.md").read_text()
    assert "1 done, 2 not done" in text
    mean, worst = (line for line in text.splitlines() if line[2:6] in ("mean", "wors"))
    assert mean[6:].strip() == worst[7:].strip()  # of one picture


def test_odd_patterns_and_intervals(photos, capsys):
    out = photos / "out"
    save(out / "own.png")
    code, _, errors = run(capsys, f"--image={photos}/**/*.png", f"--out={out}", "--resume")
    assert (code, "one of the pictures" in errors) == (2, True)
    code, _, errors = run(capsys, f"--image={photos / 'a.png'}", "--checkpoint=inf")
    assert (code, "--checkpoint=inf" in errors) == (2, True)


def test_a_name_that_orbax_cannot_take_is_told_in_a_line(tmp_path, capsys):
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    with checkpoint.Checkpoint(folder, {}, 0) as kept:
        kept.offer(lambda: {"a": np.zeros(8)})
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "no checkpoint could be written" in errors
    assert not any(folder.iterdir())


def test_what_a_kill_left_is_no_foreign_file(photos, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    for name in (".lock", "failed.txt", ".12-ab.partial.failed.txt"):
        (out / "a" / name).write_text("")
    assert run(capsys, f"--image={photos}", f"--out={out}", "--steps=2", "--resume")[0] == 0
    assert rows(out)["a"]["state"] == "done"


def test_a_perfect_score_is_in_the_summary(tmp_path):
    (tmp_path / "a").mkdir()
    record = {
        "run": {},
        "scores": {"degraded": {"psnr": 20.0}, "restored": {"psnr": "inf"}},
        "picture": {"noise": None},
        "seconds": {"fit": 1.0},
        "steps": 3,
        "interrupted": False,
    }
    (tmp_path / "a" / "run.json").write_text(json.dumps(record))
    _, text = write_summary(tmp_path, ["a"], {})
    assert "| worst |  | 20.00 | inf |" in text.read_text()
