"""What results are called: ``--name``, and files for plain paths of many pictures."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.cli import picture
from dip_jax.app.errors import FitError
from dip_jax.app.files.results import FILES
from tests.app.common import run

pytestmark = pytest.mark.usefixtures("shifted")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.jpg", "b.png", "c.GIF", "below/a.png"):
        save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 27, 3), 99, np.uint8)).save(path)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def is_restored(path):
    with Image.open(path) as image:
        return bool((abs(np.asarray(image.convert("L"))[0].astype(int) - 64) < 9).all())


ALL = {"a.png", "b.jpg", "b.png", "c.png"}


def test_files_of_the_originals_names_lie_in_the_folder(photos, tmp_path, capsys):
    code, out, err = run(capsys, "photos/", "clean/")
    assert code == 0
    assert "4 pictures, to clean" in out
    assert "note: c: results are not written as GIF: this is a PNG" in err
    assert files(tmp_path / "clean") == ALL
    assert all(is_restored(path) for path in (tmp_path / "clean").iterdir())
    with Image.open(tmp_path / "clean" / "b.jpg") as image:
        assert image.format == "JPEG"
    # Nothing is replaced unasked, and nothing done twice with --resume.
    code, _, err = run(capsys, "photos/", "clean/")
    assert code == 2
    assert "--out=clean: holds a.png, b.jpg, b.png and 1 more; pass --resume" in err
    (tmp_path / "clean" / "a.png").write_text("mine")
    (tmp_path / "clean" / "b.png").unlink()
    code, _, err = run(capsys, "photos/", "clean/", "--resume")
    assert (code, err.count("finished before")) == (0, 3)
    assert (tmp_path / "clean" / "a.png").read_text() == "mine"
    assert is_restored(tmp_path / "clean" / "b.png")
    assert run(capsys, "photos/", "clean/", "--overwrite")[0] == 0
    assert is_restored(tmp_path / "clean" / "a.png")


def test_a_tree_stays_one(photos, tmp_path, capsys):
    assert run(capsys, "photos", "-o", "clean", "--recursive")[0] == 0
    assert files(tmp_path / "clean") == ALL | {"below/a.png"}


def test_a_folder_alone_gets_one_beside_it(photos, tmp_path, capsys):
    assert run(capsys, "photos/")[0] == 0
    assert files(tmp_path / "photos_restored") == ALL


def test_results_beside_the_pictures(photos, tmp_path, capsys):
    before = files(photos)
    name = "--name={stem}-{task}-{preset}{suffix}"
    added = {"a-denoise-fast.png", "b-denoise-fast.png", "b-denoise-fast.jpg", "c-denoise-fast.png"}
    for more in ([], ["--overwrite"], ["--resume"]):  # the results are no pictures to restore
        code, out, _ = run(capsys, "photos/", name, *more)
        assert code == 0
        assert "4 pictures, to photos" in out
        assert files(photos) == before | added
    assert not is_restored(photos / "a.png")
    assert run(capsys, "photos/*.jpg")[0] == 0
    assert "b_restored.jpg" in {path.name for path in photos.iterdir()}


def test_a_name_for_one_picture(photos, tmp_path, capsys):
    assert run(capsys, "photos/b.jpg", "--name={stem}_new.tif")[0] == 0
    assert is_restored(photos / "b_new.tif")
    assert run(capsys, "--image=photos/b.jpg", "--name={stem}{suffix}", "--out=new/deep")[0] == 0
    assert files(tmp_path / "new") == {"deep/b.jpg"}


def test_two_results_of_one_name_take_the_whole_names(photos, tmp_path, capsys):
    save(photos / "c.png")
    assert run(capsys, "photos/", "clean/")[0] == 0
    assert files(tmp_path / "clean") == ALL | {"c.GIF.png"}
    assert run(capsys, "photos/", "--name={stem}_new.png")[0] == 0
    new = {path.name for path in photos.iterdir() if "_new" in path.name}
    both = {"b.jpg_new.png", "b.png_new.png", "c.GIF_new.png", "c.png_new.png"}
    assert new == both | {"a_new.png"}


def test_a_folder_of_results_stays_what_it_was(photos, tmp_path, capsys):
    assert run(capsys, "--image=photos", "--out=out")[0] == 0
    assert files(tmp_path / "out" / "b.jpg") == set(FILES)
    assert (tmp_path / "out" / "summary.csv").exists()
    assert run(capsys, "photos/a.png", "one/")[0] == 0
    assert files(tmp_path / "one") == set(FILES)


def test_what_fails_leaves_nothing(photos, tmp_path, capsys, monkeypatch):
    (photos / "a.png").write_text("no picture")
    code, _, err = run(capsys, "photos/", "clean/")
    assert code == 1
    assert "  a: --image=photos/a.png: is named as a PNG, but" in err
    assert files(tmp_path / "clean") == ALL - {"a.png"}

    def diverge(*_, **options):
        raise FitError("the fit diverged")

    monkeypatch.setattr(picture, "restore", diverge)
    assert run(capsys, "photos/", "other/")[0] == 1
    assert not (tmp_path / "other").exists()


def test_an_interrupted_picture_is_not_written(photos, tmp_path, capsys, monkeypatch):
    fit = picture.restore

    def interrupted(*arguments, **options):
        return fit(*arguments, **options)._replace(interrupted=True)

    monkeypatch.setattr(picture, "restore", interrupted)
    code, _, err = run(capsys, "photos/", "clean/")
    assert code == 130
    assert "interrupted; --resume continues" in err
    assert not (tmp_path / "clean").exists()
    assert run(capsys, "photos/a.png")[0] == 130
    assert is_restored(photos / "a_restored.png")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["photos/a.png", "--name={stm}.png"], "has {stm}, which means nothing; take {stem}, {suf"),
        (["photos/a.png", "--name={stem}"], "must end in {suffix}, or in one of .png .jpg"),
        (["photos/a.png", "--name=x/{stem}{suffix}"], "is not a file name; --out names the"),
        (["photos/a.png", "--name={stem}{suffix}"], "is the picture itself"),
        (["photos/a.png", "q.png", "--name={stem}{suffix}"], "can't go with --out=q.png, which is"),
        (["photos/", "--name=x.png"], "gives 4 results the same name, x.png; put {stem} into it"),
        (["photos/", "--name={stem}{suffix}"], "would replace photos/a.png, one of the pictures"),
        (["--name={stem}{suffix}"], "needs a picture; name one"),
        (["photos/", "clean/", "--checkpoint=3"], "--checkpoint=3.0: needs a folder to keep the"),
        (["photos/a.png", "--recursive"], "--recursive: is for many pictures; drop it"),
    ],
)
def test_bad_names_are_one_line(argv, words, photos, tmp_path, capsys):
    before = files(tmp_path)
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert files(tmp_path) == before
