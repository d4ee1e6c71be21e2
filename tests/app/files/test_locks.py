import pytest

from dip_jax.app.errors import NotOursError, UserError
from dip_jax.app.files.locks import lock_folder


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    used = pytest.raises(NotOursError, match="is used by another run")
    with lock_folder(tmp_path), used, lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"), lock_folder(tmp_path / "file"):
        pass
