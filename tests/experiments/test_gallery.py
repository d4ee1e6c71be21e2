"""The gallery: the page, and that the page in docs/ is the program's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import gallery

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture
def identity(monkeypatch):
    """In place of the command: the damaged file, enlarged if it is small."""
    commands = []

    def run_command(words, work):
        commands.append(words)
        picture = Image.open(work / words[0])
        path = (work / words[0]).with_stem(f"{Path(words[0]).stem}_restored")
        picture.resize((gallery.SIZE, gallery.SIZE), Image.Resampling.NEAREST).save(path)
        return path

    monkeypatch.setattr(gallery, "run_command", run_command)
    return commands


def test_one_exhibit_is_made_and_the_others_stay(identity, tmp_path):
    assert gallery.main(["--only=enlarging", f"--out={tmp_path}"]) == 0
    assert gallery.main(["--only=grain", f"--out={tmp_path}"]) == 0
    assert identity == [("small.png", "--factor=4"), ("grain.png",)]
    rows = gallery.read_rows(tmp_path / "images" / "gallery")
    assert list(rows) == ["grain", "enlarging"]  # in the order of the page
    assert rows["grain"]["restored"] == rows["grain"]["damaged"]
    assert 20 < float(rows["grain"]["damaged"]) < 22
    page = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert page.index("dip-jax grain.png") < page.index("dip-jax small.png --factor=4")
    assert "Rachel Michetti, CC0" in page
    assert "Scratches" not in page
    before, after, original = (
        np.asarray(Image.open(tmp_path / "images" / "gallery" / f"enlarging_{label}.png"))
        for label in ("before", "after", "original")
    )
    assert before.shape == after.shape == original.shape == (gallery.SIZE, gallery.SIZE, 3)
    assert np.array_equal(before, after)
    assert not np.array_equal(after, original)


def test_the_same_command_goes_on_where_it_ended(identity, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "EXHIBITS", gallery.EXHIBITS[:2])
    assert gallery.main(["--only=grain", f"--out={tmp_path}"]) == 0
    assert gallery.main([f"--out={tmp_path}"]) == 0
    assert [words[0] for words in identity] == ["grain.png", "stars.png"]


def test_the_page_in_docs_is_of_the_rows_beside_it(tmp_path):
    folder = tmp_path / "images" / "gallery"
    folder.mkdir(parents=True)
    shutil.copy(DOCS / "images" / "gallery" / "gallery.csv", folder)
    assert gallery.main(["--only=", f"--out={tmp_path}"]) == 0
    page = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert page == (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert "## Grain" in page


def test_an_unknown_name_is_one_line(capsys):
    assert gallery.main(["--only=lena"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--only=lena: is unknown; there are grain, " in line
