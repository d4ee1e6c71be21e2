"""The command end to end, in this process, with narrow networks."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dip_jax.app import restore as restore_arrays
from dip_jax.app.cli import one, picture
from dip_jax.app.errors import FitError
from dip_jax.app.files.results import FILES
from dip_jax.app.recipe import NETWORKS, PRESETS, TASKS
from dip_jax.app.restore import fit
from tests.app.common import run


def smooth(height=20, width=27, channels=3):
    y, x = np.mgrid[0:height, 0:width]
    planes = [40 + 150 * x / width + 30 * (y > 8) + 5 * c for c in range(channels)]
    return np.stack(planes, 2).astype(np.uint8)


NOISY = ["--sigma=25"]  # a smooth picture has no noise to be found, and would come back at once


def save(path, pixels):
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)
    return str(path)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def half_mask(tmp_path, height=20, width=27):
    mask = np.full((height, width, 1), 255, np.uint8)
    mask[5:9, 4:20] = 0
    return save(tmp_path / "mask.png", mask)


def results(folder):
    assert {path.name for path in folder.iterdir()} == set(FILES)
    with (folder / "trace.csv").open(encoding="utf-8") as file:
        trace = list(csv.DictReader(file))
    return (
        pixels(folder / "restored.png"),
        trace,
        json.loads((folder / "run.json").read_text(encoding="utf-8")),
    )


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: f"{p.name}-{p.task.name}")
def test_every_preset_runs(preset, request, tmp_path, capsys):
    # The networks of all: see test_presets.py.
    default = (preset.name, preset.task.name) == ("fast", "denoise")
    request.getfixturevalue("small_presets" if default else "tiny_presets")
    image = save(tmp_path / "picture.png", smooth())
    flags = {
        "inpaint": ["--mask=" + half_mask(tmp_path)],
        "deblur": ["--kernel=box:3"],
        "denoise": NOISY if preset.stop == "auto" else [],
        # Without --factor the preset's holds, as it should: 4 or 8.
    }
    code, out, _ = run(
        capsys,
        f"--task={preset.task.name}",
        f"--preset={preset.name}",
        f"--image={image}",
        f"--out={tmp_path / 'out'}",
        "--steps=2",
        "--members=1",  # several leave an uncertainty, too: see test_members.py
        *flags.get(preset.task.name, []),
    )
    assert code == 0
    restored, trace, record = results(tmp_path / "out")
    factor = preset.task.factor
    assert restored.shape == (20 * factor, 27 * factor, 3)
    assert [row["step"] for row in trace] == ["1", "2"]
    assert all(np.isfinite(float(row["loss"])) for row in trace)
    assert record["settings"]["name"] == preset.name
    known = pixels(half_mask(tmp_path))[:, :, None] / 255 if preset.task.has_holes else None
    used, method = record["settings"]["method"], preset.method.resolve(known, None).as_data()
    assert used.keys() == method.keys()
    for name in method.keys() - {"depth"}:  # small presets are shallow
        assert used[name] == method[name]
    assert ("8" in preset.name) == (factor == 8)
    assert record["scores"] == {}
    assert record["steps"] == 2
    for name in FILES:
        assert str(tmp_path / "out" / name) in out


@pytest.mark.slow
def test_demonstration_restores(tiny_presets, tmp_path, capsys, monkeypatch):
    """No flag but the folder and the length: better than the noisy picture."""
    tiny = smooth(32, 32).astype(np.float32) / 255
    monkeypatch.setattr("dip_jax.app.recipe.degrade.demonstration_picture", lambda: tiny)
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "--steps=150", "--chunk_steps=40")
    assert code == 0
    folder = tmp_path / "dip-jax-results" / "astronaut-denoise"
    _, trace, record = results(folder)
    assert len(trace) == 150
    scores = record["scores"]
    assert scores["degraded"]["psnr"] == pytest.approx(20.3, abs=0.6)
    assert scores["restored"]["psnr"] > scores["degraded"]["psnr"] + 1.5
    assert f"{scores['restored']['psnr']:6.2f} dB" in out
    # A second run takes another folder and, with the same seed, makes the same picture.
    assert run(capsys, "--steps=150", "--chunk_steps=7")[0] == 0
    again = tmp_path / "dip-jax-results" / "astronaut-denoise-2"
    assert (again / "restored.png").read_bytes() == (folder / "restored.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_a_demonstration(task, tiny_presets, tmp_path, capsys, monkeypatch):
    # Large enough for a stopping rule only where the test above has its program.
    tiny = (smooth(32, 32) if task == "denoise" else smooth()).astype(np.float32) / 255
    monkeypatch.setattr("dip_jax.app.recipe.degrade.demonstration_picture", lambda: tiny)
    code, _, _ = run(
        capsys, f"--task={task}", "--steps=2", "--members=1", f"--out={tmp_path / 'out'}"
    )
    assert code == 0
    assert "psnr" in results(tmp_path / "out")[2]["scores"]["restored"]


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(7, 5), (1, 1), (33, 64)])
def test_any_size_and_kind(height, width, tiny_presets, tmp_path, capsys):
    rgba = np.dstack(
        [smooth(height, width), np.arange(height * width).reshape(height, width) % 256]
    ).astype(np.uint8)
    image = save(tmp_path / "rgba.png", rgba)
    assert run(capsys, f"--image={image}", "--steps=2", f"--out={tmp_path / 'a'}")[0] == 0
    restored = results(tmp_path / "a")[0]
    assert restored.shape == (height, width, 4)
    np.testing.assert_array_equal(restored[:, :, 3], rgba[:, :, 3])
    grey = save(tmp_path / "grey.png", smooth(height, width, 1))
    assert run(capsys, f"--image={grey}", "--steps=2", f"--out={tmp_path / 'b'}")[0] == 0
    assert results(tmp_path / "b")[0].shape == (height, width)


@pytest.mark.slow
def test_what_is_erased_is_filled_and_opaque(tiny_presets, tmp_path, capsys):
    erased = np.dstack([smooth(), np.full((20, 27), 255, np.uint8)])
    erased[5:9, 4:20] = (255, 0, 255, 0)
    path = save(tmp_path / "p.png", erased)
    code, _, err = run(capsys, path, str(tmp_path / "q.png"), "--task=inpaint", "--steps=2")
    assert code == 0
    assert "dip-jax: note: filling 11.9 % of the picture: its transparent pixels\n" in err
    restored = pixels(tmp_path / "q.png")
    assert restored.shape == (20, 27, 4)
    assert (restored[:, :, 3] == 255).all()
    known = erased[:, :, 3] > 0
    np.testing.assert_array_equal(restored[known], erased[known])
    assert (restored[~known] != erased[~known]).any(axis=1).all()


@pytest.mark.slow
def test_known_pixels_are_put_back(tiny_presets, tmp_path, capsys):
    image, mask = save(tmp_path / "p.png", smooth()), half_mask(tmp_path)
    flags = ["--task=inpaint", f"--image={image}", f"--mask={mask}", "--steps=2"]
    assert run(capsys, *flags, f"--reference={image}", f"--out={tmp_path / 'a'}")[0] == 0
    restored, _, record = results(tmp_path / "a")
    known = pixels(mask) == 255
    np.testing.assert_array_equal(restored[known], smooth()[known])
    raw = record["scores"]["restored, known pixels not put back"]["psnr"]
    assert record["scores"]["restored"]["psnr"] > raw
    assert run(capsys, *flags, "--nokeep_known", f"--out={tmp_path / 'b'}")[0] == 0
    assert np.any(results(tmp_path / "b")[0][known] != smooth()[known])


@pytest.mark.slow
def test_the_comparison_shows_the_file_as_it_was_given(tiny_presets, tmp_path, capsys):
    """Not with its holes blackened, which no one has seen."""
    image, mask = save(tmp_path / "p.png", smooth()), half_mask(tmp_path)
    truth = save(tmp_path / "t.png", smooth() + 10)
    flags = ["--task=inpaint", f"--image={image}", f"--mask={mask}", "--steps=2"]
    assert run(capsys, *flags, f"--reference={truth}", f"--out={tmp_path / 'a'}")[0] == 0
    scores = results(tmp_path / "a")[2]["scores"]
    assert scores["degraded"]["psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=0.01)
    sheet = pixels(tmp_path / "a" / "comparison.png")[..., :3].reshape(-1, 3)
    assert (sheet == smooth()[7, 10]).all(axis=1).any()  # a pixel of the hole


@pytest.mark.slow
def test_scores_of_deep_pictures_are_of_full_depth(tiny_presets, tmp_path, capsys):
    for name, offset in (("p", 0), ("t", 1e-4)):
        np.save(tmp_path / f"{name}.npy", smooth() / 255 + offset)
    flags = [f"--image={tmp_path / 'p.npy'}", f"--reference={tmp_path / 't.npy'}"]
    flags += ["--task=inpaint", f"--mask={half_mask(tmp_path)}"]
    assert run(capsys, *flags, "--steps=2", f"--out={tmp_path / 'a'}")[0] == 0
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    assert record["scores"]["degraded"]["psnr"] == pytest.approx(80, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--input=image", "--task=reconstruct"],
        ["--input=meshgrid", "--task=reconstruct"],
        ["--generator=unet", *NOISY],
        ["--generator=resnet", *NOISY],
        ["--generator=deep_decoder", *NOISY],
        ["--generator=conv_decoder", *NOISY],
        ["--tv=0.05", *NOISY],
    ],
)
def test_choices(flags, tiny_presets, tmp_path, capsys, monkeypatch):
    narrow = {
        "unet": (("feature_scale", 32),),
        "resnet": (("blocks", 1), ("width", 4)),
        "deep_decoder": (("levels", 1), ("width", 4)),
        "conv_decoder": (("levels", 1), ("width", 4)),
    }
    for name, options in narrow.items():
        monkeypatch.setitem(NETWORKS, name, NETWORKS[name]._replace(options=options))
    image = save(tmp_path / "p.png", smooth())
    code, _, _ = run(capsys, f"--image={image}", "--steps=2", *flags, f"--out={tmp_path / 'a'}")
    assert code == 0
    record = results(tmp_path / "a")[2]
    assert record["steps"] == 2
    used = record["settings"]
    used |= used["method"] | used["network"]
    name, value = flags[0][2:].split("=")
    assert str(used[name]) == value


@pytest.mark.slow
def test_an_array_comes_back_in_full_depth(tiny_presets, tmp_path, capsys):
    np.save(tmp_path / "deep.npy", smooth().astype(np.float32) / 256)
    flags = [f"--image={tmp_path / 'deep.npy'}", "--steps=2", *NOISY, f"--out={tmp_path / 'a'}"]
    assert run(capsys, *flags)[0] == 0
    deep = np.load(tmp_path / "a" / "restored.npy")
    assert deep.shape == (20, 27, 3)
    assert deep.dtype == np.float32
    np.testing.assert_array_equal(
        np.rint(deep * 255).astype(np.uint8), pixels(tmp_path / "a" / "restored.png")
    )
    assert np.any(deep * 255 % 1 != 0)


def test_interrupt_keeps_the_picture_so_far(tiny_presets, tmp_path, capsys, monkeypatch):
    def interrupted(*args, callback, **options):
        if options["steps"] == 1:  # the first, which compiles
            return advance(*args, callback=callback, **options)
        advance(*args, callback=callback, **{**options, "steps": 3})
        raise KeyboardInterrupt

    advance = fit.dip_jax.advance
    monkeypatch.setattr(fit.dip_jax, "advance", interrupted)
    image = save(tmp_path / "p.png", smooth())
    flags = [f"--image={image}", "--steps=50", *NOISY, f"--out={tmp_path / 'a'}"]
    code, out, _ = run(capsys, *flags)
    assert code == 130
    restored, trace, record = results(tmp_path / "a")
    assert record["interrupted"] is True
    assert len(trace) == 4
    assert "interrupted after 4 steps" in out
    assert restored.shape == (20, 27, 3)


def test_ctrl_c_while_writing_loses_nothing(tiny_presets, tmp_path, capsys, monkeypatch):
    def write(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return write_results(*args, **options)

    write_results = picture.write_results
    monkeypatch.setattr(picture, "write_results", write)
    image = save(tmp_path / "p.png", smooth())
    assert run(capsys, f"--image={image}", "--steps=2", f"--out={tmp_path / 'a'}")[0] == 0
    results(tmp_path / "a")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        (["--noise=poisson", "--hide=0.5"], "--noise=poisson needs a --gain here"),
        (["--noise=poisson", "--preset=paper"], "--noise=poisson needs a --gain here"),
        (["--noise=poisson", "--preset=paper", "--gain=5"], "does not follow --gain"),
        (["--preset=paper", "--stop=wmv", "--sigma=25"], "does not follow --sigma"),
        (["--noise=poisson"], None),
        (["--noise=poisson", "--hide=0.5", "--gain=5"], None),
        (["--preset=paper", "--stop=r2r", "--sigma=25"], None),
    ],
)
def test_a_noise_level_of_no_use_is_told(flags, note, tmp_path, capsys, monkeypatch):
    def stop(*_, **options):
        raise FitError("as far as this test goes")

    monkeypatch.setattr(one, "restore_file", stop)
    image = save(tmp_path / "p.png", smooth(64, 64))
    code, out, _ = run(capsys, f"--image={image}", *flags, f"--out={tmp_path / 'a'}")
    assert code == 1
    assert ("note: " in out) == (note is not None)
    assert (note or "") in out


def test_out_may_be_a_link_to_another_place(tiny_presets, tmp_path, capsys):
    image = save(tmp_path / "p.png", smooth())
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    assert run(capsys, f"--image={image}", "--steps=2", f"--out={tmp_path / 'link'}")[0] == 0
    results(tmp_path / "far")


def test_memory_that_does_not_suffice_is_told(tiny_presets, tmp_path, capsys, monkeypatch):
    def restore(*args, **options):
        raise MemoryError

    monkeypatch.setattr(picture, "restore", restore)
    image = save(tmp_path / "p.png", smooth())
    code, _, err = run(capsys, f"--image={image}", f"--out={tmp_path / 'a'}")
    assert code == 2
    assert "--image=27x20: does not fit the device's memory" in err
    assert not (tmp_path / "a").exists()


def test_a_diverged_picture_is_not_written(tiny_presets, tmp_path, capsys, monkeypatch):
    def diverged(*args, **options):
        result = restore_arrays(*args, **options)
        return result._replace(image=np.full_like(result.image, np.nan))

    monkeypatch.setattr(picture, "restore", diverged)
    image = save(tmp_path / "p.png", smooth())
    code, _, err = run(capsys, f"--image={image}", "--steps=2", f"--out={tmp_path / 'a'}")
    assert code == 1
    assert "diverged" in err
    assert not (tmp_path / "a").exists()


def test_overwrite_replaces_only_its_own_files(tiny_presets, tmp_path, capsys):
    image, folder = save(tmp_path / "p.png", smooth()), tmp_path / "out"
    folder.mkdir()
    (folder / "restored.png").write_text("old")
    (folder / "mine.txt").write_text("mine")
    flags = [f"--image={image}", "--steps=2", f"--out={folder}"]
    code, _, err = run(capsys, *flags)
    assert code == 2
    assert "--overwrite" in err
    assert (folder / "restored.png").read_text() == "old"
    assert run(capsys, *flags, "--overwrite")[0] == 0
    assert pixels(folder / "restored.png").shape == (20, 27, 3)
    assert (folder / "mine.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "p.png"]


BAD = {
    "--image=absent.png": "does not exist",
    "--image=p.png --task=inpaint": "--mask: is needed",
    "--image=p.png --task=inpaint --mask=white.png": "--mask=white.png: leaves nothing to fill",
    "--image=p.png --task=inpaint --mask=w.png --invert_mask": "does not exist",
    "--task=inpaint --mask_box=1,2,3,4": "--mask_box=1,2,3,4: needs an --image",
    "--image=p.png --task=inpaint --mask_box=1,2,3": "--mask_box=1,2,3: is no rectangle: write",
    "--image=p.png --task=inpaint --mask_box=99,2,3,4": "lies outside the picture, which is 27x20",
    "--image=p.png --task=inpaint --mask_color=rde": "--mask_color=rde: is no colour; write #ff",
    "--image=p.png --task=inpaint --mask_color=lime": "is nowhere on the picture; the nearest",
    "--image=p.png --task=inpaint --mask_tolerance=9": "--mask_tolerance=9.0: needs a --mask_color",
    "--image=p.png --task=inpaint --mask_tolerance=-1 --mask_color=red": "must be from 0 to below",
    "--image=p.png --mask_color=red --task=denoise": "has no meaning for --task=denoise",
    "--image=p.png --task=inpaint --mask=white.png --grow_mask=1": "leaves nothing to fill",
    "--image=p.png --task=inpaint --mask=small.png": "is 5x5, but the picture is 27x20",
    "--image=p.png --reference=small.png": "is 5x5 with 3 channels; the result will be 27x20",
    "--reference=p.png": "needs an --image",
    "--image=p.png --backend=tpu": "--backend=tpu: jax finds no such device",
    "--image=p.png --out=p.png": "--out=p.png: is the picture itself; name another file",
    "--image=p.png --out=empty": "--out=empty: is a file",
    "--image=p.png --out=p.png/below": "--out=p.png/below: can't be written",
    f"--image=p.png --out={'x' * 300}": "File name too long",
    "p.png p.png --overwrite": "--out=p.png: is the picture itself",
    "p.png white.png": "--out=white.png: exists; name another file, or pass --overwrite",
    "p.png -o white.png": "--out=white.png: exists",
    "p.png nowhere/q.png": "--out=nowhere/q.png: lies in a folder that does not exist; make it",
    "p.png q.heic": "--out=q.heic: can't be written in this format; take one of .png .jpg",
    "p.png q.png --resume": "--resume: needs a folder to keep the run in: --out=FOLDER",
    "p.png q.png --checkpoint=9": "--checkpoint=9.0: needs a folder",
    "absent.png": "does not exist; check the path",
    ". q.png": "--out=q.png: is one file, for many pictures; name a folder",
    "p.png --page=2": "has one frame only; drop --page",
    "p.png --range=5": "--range=5: is not a range: write LOW,HIGH, such as 0,4095",
    "p.png --range=9,5": "--range=9,5: must have black first, and white above it",
    "p.png --range=0,nan": "--range=0,nan: must have black first",
    "--range=0,9": "--range=0,9: needs an --image",
    "p.png --strength=abc": "dip-jax: --strength=abc: must be a number",
    "p.png --task=clean": "dip-jax: --task=clean: must be one of denoise, ",
    "p.png --strip=maybe": "dip-jax: --strip=maybe: must be true or false",
    "p.png --every=x": "dip-jax: --chunk_steps=x: must be a whole number",
    "--image=empty.png": "dip-jax: --image=empty.png: is an empty file; save",
    "--image=. --task=inpaint --mask=nowhere": "dip-jax: --mask=nowhere: does not exist",
    "--image=. --out=out": "dip-jax: --out=out: lies in the folder of pictures",
}


@pytest.mark.parametrize("flags", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(flags, refused):
    assert BAD[flags] in refused(*flags.split())


def test_presets_and_version(capsys):
    code, out, _ = run(capsys, "--list_presets")
    assert code == 0
    assert out.count("\n") == 2 * len(PRESETS)
    assert max(len(line) for line in out.splitlines()) <= 100
    assert run(capsys, "--version")[1] == "0.4.0\n"


@pytest.mark.slow
def test_module_and_exit_code():
    done = subprocess.run(
        [sys.executable, "-m", "dip_jax", "--steps=0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "dip-jax: --steps=0: must be at least 1 and at most 1000000000\n"


@pytest.mark.parametrize("file", ["checkpoint", "record"])
def test_a_run_of_an_older_format_is_refused(file, tmp_path, capsys):
    """Its settings have other names, so that no list of differences would help."""
    image, out = save(tmp_path / "p.png", smooth()), tmp_path / "out"
    old = {"name": "fast", "task": "denoise", "steps": 2, "every": 10, "alpha": 0.5, "seed": 0}
    if file == "checkpoint":
        (out / ".checkpoint" / "1").mkdir(parents=True)
        path, text = out / ".checkpoint" / "settings.json", json.dumps(old)
    else:
        out.mkdir()
        path, text = out / "run.json", json.dumps({"interrupted": False, "run": old})
    path.write_text(text)
    flags = [f"--image={image}", f"--out={out}", "--steps=2", *NOISY]
    code, text_out, errors = run(capsys, *flags, "--resume")
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith("dip-jax: --resume=")
    assert errors.endswith(
        ": was made by a version of dip-jax with other settings files; "
        "name another --out, or begin again with --overwrite\n"
    )
    assert "finished before" not in text_out
    assert path.read_text() == text
