"""Which pictures an ``--image`` means, and which masks and references belong to them."""

from pathlib import Path

import pytest

from dip_jax.app.cli.listing import list_pictures, names_many, note_skipped, note_spare_partners
from dip_jax.app.errors import UserError


def touch(folder, *names):
    """Creates files; what they hold is not looked at."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.fixture
def photos(tmp_path):
    return touch(tmp_path / "photos", "a.png", "b.png", "c.png")


def names(image, given=None, **options):
    return [entry.name for entry in list_pictures(str(image), given or {}, **options)]


def test_patterns_and_lists_name_pictures(photos, tmp_path):
    assert names(f"{photos}/[ab].png") == ["a", "b"]
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("# two of them\nphotos/c.png\n\nphotos/a.png\n")
    assert names(chosen) == ["c", "a"]
    assert names_many(str(chosen))
    assert names_many(str(photos))
    assert names_many("nowhere/*.png")
    assert not names_many(str(photos / "a.png"))
    assert not names_many(None)
    with pytest.raises(UserError, match=r"^image=nowhere/\*\.png: is not a file, and no picture"):
        names("nowhere/*.png")


def test_a_list_may_begin_with_a_mark_and_end_its_lines_otherwise(photos, tmp_path):
    del photos
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfphotos/a.png\r\nphotos/b.png\r\n")
    assert names(tmp_path / "list.txt") == ["a", "b"]


@pytest.mark.parametrize("name", ["...png", "..png", "summary.csv.png", "/"])
def test_names_that_results_cannot_have(name, tmp_path):
    (tmp_path / "list.txt").write_text("/\n" if name == "/" else f"photos/{name}\n")
    with pytest.raises(UserError, match="rename it"):
        names(tmp_path / "list.txt")


def test_a_list_with_zero_bytes_is_none(tmp_path):
    (tmp_path / "zero.txt").write_bytes(b"photos/a.png\nphotos/\0b.png\n")
    with pytest.raises(UserError, match="zero bytes"):
        names(tmp_path / "zero.txt")


def test_pictures_that_are_gone_are_listed(photos, tmp_path):
    """They fail when their turn comes, which keeps the others from nothing."""
    (tmp_path / "list.txt").write_text("photos/a.png\nphotos/gone.png\n")
    masks = touch(tmp_path / "masks", "a.png", "gone.png")
    assert names(tmp_path / "list.txt", {"mask": str(masks)}) == ["a", "gone"]
    (photos / "nowhere.png").symlink_to(tmp_path / "nothing")
    assert names(photos) == ["a", "b", "c", "nowhere"]


def test_one_mask_for_all_is_no_picture(photos):
    touch(photos, "mask.png")
    assert names(photos, {"mask": str(photos / "mask.png")}) == ["a", "b", "c"]


def test_partners_in_the_folder_of_the_pictures(tmp_path):
    pictures = ("a.png", "a_mask.png", "b.png", "b_mask.png", "lone_mask.png")
    both = touch(tmp_path / "both", *pictures)
    given = {"mask": str(both)}
    entries = list_pictures(str(both), given)
    assert [entry.name for entry in entries] == ["a", "b"]
    assert [Path(entry.partners["mask"]).name for entry in entries] == ["a_mask.png", "b_mask.png"]
    assert note_spare_partners(entries[:1], given)[0].count("b_mask.png") == 1
    assert "lone_mask.png" in note_spare_partners(entries, given)[0]
    (both / "a_mask.png").unlink()
    with pytest.raises(UserError, match="no partner for a;"):
        names(f"{both}/[ab].png", given)
    masks = touch(tmp_path / "masks", "b.png", "b.jpg")
    with pytest.raises(UserError, match="several partners for b"):
        names(f"{both}/[b].png", {"mask": str(masks)})
    with pytest.raises(UserError, match=r"^mask=nowhere: does not exist"):
        names(both, {"mask": "nowhere"})


def test_every_format_is_listed_and_the_rest_is_told(tmp_path):
    kinds = ("a.jfif", "b.jpe", "c.HEIC", "d.avif", "e.TIF", "f.npz", "g.pgm", "h.dng", "i.jxl")
    folder = touch(tmp_path / "photos", *kinds, "notes.doc", ".hidden.png", "x.psd")
    (folder / "below").mkdir()
    assert names(folder) == list("abcdefghi")
    (note,) = note_skipped(str(folder), recursive=False)
    assert note.endswith("skipped notes.doc, x.psd: not pictures by their suffixes")
    assert note_skipped(str(folder / "below"), recursive=False) == []
    (folder / "x.psd").unlink()
    (note,) = note_skipped(str(folder), recursive=False)
    assert note.endswith("skipped notes.doc: not a picture by its suffix")
    assert note_skipped(f"{folder}/*.doc", recursive=False) == []


def test_names_tell_files_of_one_stem_apart(photos, tmp_path):
    touch(photos, "a.jpg")
    assert names(photos) == ["a.jpg", "a.png", "b", "c"]
    masks = touch(tmp_path / "masks", "a.png", "b.png", "c_mask.png")
    given = {"mask": str(masks)}
    partners = [Path(e.partners["mask"]).name for e in list_pictures(str(photos), given)]
    assert partners == ["a.png", "a.png", "b.png", "c_mask.png"]
    touch(masks, "a.jpg.png")
    with pytest.raises(UserError, match=r"several partners for a\.jpg"):
        names(photos, given)
    with pytest.raises(UserError, match=r"no partner for a\.jpg, a\.png, b and 1 more"):
        names(photos, {"mask": str(photos)})  # no picture is another's mask
    touch(tmp_path / "other", "a.png")
    (tmp_path / "list.txt").write_text("photos/a.png\nother/a.png\n")
    with pytest.raises(UserError, match=r"two pictures of the same name.*--recursive"):
        names(tmp_path / "list.txt")


def test_a_tree_with_its_partners(photos, tmp_path):
    touch(photos / "below", "a.png", "d.png", "d_mask.png")
    touch(photos / ".hidden", "e.png")
    assert names(photos) == ["a", "b", "c"]
    assert names(photos, recursive=True) == ["a", "b", "c", "below/a", "below/d", "below/d_mask"]
    touch(photos, "a_mask.png", "b_mask.png", "c_mask.png")
    touch(photos / "below", "a_mask.png")
    entries = list_pictures(str(photos), {"mask": str(photos)}, recursive=True)
    assert [entry.name for entry in entries] == ["a", "b", "c", "below/a", "below/d"]
    assert entries[3].partners["mask"] == str(photos / "below" / "a_mask.png")
