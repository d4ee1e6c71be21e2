"""Many pictures in one run: pairing, failures, the summary, resuming."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import command, folder, process, running
from dip_jax.app.checkpoint import FOLDER
from dip_jax.app.errors import FitError, UserError
from dip_jax.app.listing import list_pictures, names_many
from dip_jax.app.results import FILES


@pytest.fixture(autouse=True)
def small(small_presets):
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


def run(capsys, *argv):
    code = command.main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {row["picture"]: row for row in csv.DictReader(file)}


def contents(out):
    """All that a run leaves, but for dates and times."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "summary.csv", "summary.md")
    }


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


def test_a_diverged_fit_fails_alone(photos, tmp_path, capsys, monkeypatch):
    def fail(values, preset, inputs, own, *rest, **options):
        if inputs.name == "b":
            raise FitError("the fit diverged beyond recovery")
        return process.process(values, preset, inputs, own, *rest, **options)

    monkeypatch.setattr(folder, "process", fail)
    code, _, errors = run(capsys, f"--image={photos}", f"--out={tmp_path / 'o'}", "--steps=2")
    assert code == 1
    assert "b: the fit diverged" in errors
    assert rows(tmp_path / "o")["c"]["state"] == "done"


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda photos: [path.unlink() for path in photos.iterdir()], "holds no picture"),
        (lambda photos: save(photos / "a.jpg"), "two pictures of one name, a.jpg and a.png"),
    ],
)
def test_bad_folders_are_told(change, words, photos, tmp_path, capsys):
    change(photos)
    code, _, errors = run(capsys, f"--image={photos}", f"--out={tmp_path / 'o'}")
    assert (code, words in errors) == (2, True)
    assert not (tmp_path / "o").exists()


def test_results_do_not_go_among_the_pictures(photos, capsys):
    for out in (photos, photos / "out"):
        code, _, errors = run(capsys, f"--image={photos}", f"--out={out}")
        assert code == 2
        assert "lies in the folder of pictures" in errors
    assert not (photos / "out").exists()


def test_patterns_and_lists_name_pictures(photos, tmp_path):
    names = [entry.name for entry in list_pictures(f"{photos}/[ab].png", None, None)]
    assert names == ["a", "b"]
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("# two of them\nphotos/c.png\n\nphotos/a.png\n")
    assert [entry.name for entry in list_pictures(str(chosen), None, None)] == ["c", "a"]
    assert names_many(str(chosen))
    assert names_many(str(photos))
    assert names_many("nowhere/*.png")
    assert not names_many(str(photos / "a.png"))
    assert not names_many(None)
    with pytest.raises(UserError, match="holds no picture"):
        list_pictures("nowhere/*.png", None, None)


class Killed(BaseException):
    """Takes the place of a kill -9: nothing catches it."""


@pytest.mark.parametrize("members", [1, 2])
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(
    members, photos, tmp_path, capsys, monkeypatch
):
    flags = [f"--image={photos}", "--steps=24", "--every=5", "--checkpoint=0"]
    flags += [f"--members={members}", "--sigma=20"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    save(photos / "a.png", 40, 40)  # large enough for a stopping rule
    assert run(capsys, *flags, f"--out={whole}")[0] == 0
    add, taken = running._Course.add, []
    life = iter((3, 1, 9, 4, 2, 13, 5, 6, 7, 8, *[50] * 9))
    left = [next(life)]

    def mortal(self, state, trace):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        taken.append(len(trace["loss"]))
        add(self, state, trace)

    monkeypatch.setattr(running._Course, "add", mortal)
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
    # Nothing was done twice but the chunk in which a kill fell: at most one a kill.
    assert sum(taken) <= 3 * members * 24 + ends * 5


def test_resume_refuses_other_settings(photos, tmp_path, capsys):
    flags = [f"--image={photos / 'a.png'}", f"--out={tmp_path / 'o'}"]
    assert run(capsys, *flags, "--steps=2")[0] == 0
    code, out, _ = run(capsys, *flags, "--steps=2", "--resume")
    assert (code, "finished before" in out) == (0, True)
    code, _, errors = run(capsys, *flags, "--steps=3", "--resume")
    assert code == 2
    assert "steps was 2, is 3" in errors
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
