"""The folder of a run's results."""

from dip_jax.app.files.results import claim_folder


def test_two_runs_at_once_take_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        claim_folder(None, "name", overwrite=False, resume=False) as first,
        claim_folder(None, "name", overwrite=False, resume=False) as second,
    ):
        assert first != second
        assert first.is_dir()
    assert list(tmp_path.iterdir()) == []  # nothing was written: nothing stays


def test_a_folder_of_a_long_name_in_letters_of_several_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with claim_folder(None, 90 * "字", overwrite=False, resume=False) as folder:
        assert folder.name == 66 * "字"
