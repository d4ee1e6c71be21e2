import numpy as np
import pytest

from dip_jax.app.cli import command, picture
from dip_jax.app.files import write_picture
from tests.app.common import unfitted


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Gives the command flags that it must refuse, and returns what it says.

    In the working folder lie ``p.png``, a mask ``m.png``, ``white.png``, which hides nothing,
    ``small.png``, and two empty files.
    """
    monkeypatch.chdir(tmp_path)
    mask = np.ones((20, 27, 1), np.float32)
    write_picture(tmp_path / "white.png", mask)
    mask[5:9, 4:20] = 0
    write_picture(tmp_path / "m.png", mask)
    write_picture(tmp_path / "p.png", np.linspace(0, 1, 20 * 27 * 3).reshape(20, 27, 3))
    write_picture(tmp_path / "small.png", np.tile(np.eye(5)[..., None], 3))
    (tmp_path / "empty.png").touch()
    (tmp_path / "empty").touch()
    monkeypatch.setattr(picture, "restore", None)  # nothing may come to a fit

    def refusal(*flags):
        before = sorted(tmp_path.iterdir())
        assert command.main(list(flags)) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("dip-jax: ")
        assert captured.err.count("\n") == 1
        assert captured.err.endswith("\n")
        assert sorted(tmp_path.iterdir()) == before  # nothing is written
        return captured.err

    return refusal


@pytest.fixture
def shifted(monkeypatch):
    """No fit: the picture itself, in which the first row tells that something was done."""

    def without_fit(observed, *, preset, **options):
        image = observed.copy()
        image[0] = 0.25
        return unfitted(image, preset)

    monkeypatch.setattr(picture, "restore", without_fit)
