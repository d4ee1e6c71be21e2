"""What the gallery shows: that each damage makes the files that its command names."""

import io

import numpy as np
import pytest
from PIL import Image

from dip_jax.app.cli.parser import parse
from experiments import exhibits

NAMES = [exhibit.name for exhibit in exhibits.EXHIBITS]


def open_file(contents: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(contents)))


@pytest.mark.parametrize("exhibit", exhibits.EXHIBITS, ids=NAMES)
def test_the_command_names_the_files_that_the_damage_makes(exhibit):
    original = exhibits.load(exhibit)
    assert original.shape[:2] == (exhibits.SIZE, exhibits.SIZE)
    files = exhibit.damage(original)
    assert files == exhibit.damage(original)
    values = parse(list(exhibit.words))
    assert {values["image"], values["mask"]} - {None} == set(files)
    damaged = open_file(files[exhibit.words[0]])
    assert damaged.shape[0] in (exhibits.SIZE, exhibits.SIZE // 4)
    if damaged.shape[0] == exhibits.SIZE:
        error = damaged / 255 - original.reshape(damaged.shape)
        assert np.square(error).mean() > 1e-4
    if values["mask"]:
        known = open_file(files["mask.png"]) == 255
        assert 0.1 < known.mean() < 0.99
        assert np.all(error[known] == pytest.approx(0, abs=1e-6))
