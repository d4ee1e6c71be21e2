"""The studio's folder."""

import os

import pytest

from dip_jax_studio.problem import Problem
from dip_jax_studio.store import Store, new_token, owner_of, read_record, write_record


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "studio")
    yield store
    store.close()


def test_a_secret_names_a_folder_but_a_folder_no_secret():
    token = new_token()
    assert owner_of(token) == owner_of(token)
    assert owner_of(token) != owner_of(new_token())
    assert token not in owner_of(token)
    for other in (None, "", "../x", token + "a", token[:-1] + "/"):
        assert owner_of(other) is None


def test_only_names_made_here_are_found(store):
    mine, other = owner_of(new_token()), owner_of(new_token())
    folder = store.make(mine, "pictures")
    assert store.find(mine, "pictures", folder.name) == folder
    for owner, kind, name in (
        (other, "pictures", folder.name),
        (mine, "jobs", folder.name),
        (mine, "pictures", f"../pictures/{folder.name}"),
        (mine, "pictures", ".."),
        (mine, "pictures", ""),
    ):
        with pytest.raises(Problem, match="no longer exists"):
            store.find(owner, kind, name)
    with pytest.raises(ValueError, match="no folder of the studio"):
        store.find("..", "pictures", folder.name)


def test_a_folder_is_one_studios(store, tmp_path):
    with pytest.raises(Problem, match="is used by another dip-jax-studio"):
        Store(store.root)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("all my work")
    with pytest.raises(Problem, match="holds other files; name an empty folder"):
        Store(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.doc"]
    with pytest.raises(Problem, match="can't be written"):
        Store(tmp_path / "mine" / "thesis.doc")


def test_the_sweep_spares_what_is_used_or_busy(store):
    owner = owner_of(new_token())
    old, used, busy = (store.make(owner, "jobs") for _ in range(3))
    for folder in (old, busy):
        os.utime(folder, (0, 0))
    assert store.sweep(1, frozenset([busy])) == 1
    assert set(store.list(owner, "jobs")) == {used, busy}
    os.utime(busy, (0, 0))
    os.utime(used, (0, 0))
    assert store.sweep(1) == 2
    assert list(store.owners()) == []  # empty folders go too
    assert (store.root / "studio.txt").exists()


def test_records(tmp_path):
    path = tmp_path / "a.json"
    assert read_record(path) is None
    write_record(path, {"a": 1})
    assert read_record(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    for text in ("{", "[1]"):
        path.write_text(text)
        assert read_record(path) is None
