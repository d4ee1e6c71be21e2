"""Paint that marks damage, on a picture or on a mask file."""

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.files.masks import Marks, find_mask
from dip_jax.app.files.paint import suggest_paint
from dip_jax.app.files.pictures import read_picture
from tests.app.files.common import photo, picture, read, saved, stroke


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("color", ["red", "#ff0000", "rgb(255, 0, 0)"])
def test_paint_on_the_picture_is_filled(tmp_path, kind, color):
    painted, cover = stroke(photo(), (255, 0, 0))
    path = saved(tmp_path, painted, f"p.{kind}")
    of = read_picture(path)
    mask, lines = find_mask(of, Marks(color=color))
    hole = mask[:, :, 0] == 0
    assert (hole >= cover).all()
    assert hole.sum() < 3 * cover.sum()
    assert f"what is painted {color} on the picture" in lines[0]
    # On a mask file it says the same, of whatever size that is.
    other, _ = find_mask(picture(96, 128), Marks(str(path), color=color))
    np.testing.assert_array_equal(other, mask)
    half, _ = find_mask(picture(48, 64), Marks(str(path), color=color))
    assert (half[:, :, 0] <= mask[::2, ::2, 0]).all()
    rest, lines = find_mask(of, Marks(color=color, invert=True))
    np.testing.assert_array_equal(rest, 1 - mask)
    assert "all but what is painted" in lines[0]
    assert "if the rest should be filled, drop --invert_mask" in lines[1]


def test_paint_that_is_not_there(tmp_path):
    with pytest.raises(UserError) as caught:
        find_mask(read_picture(saved(tmp_path, photo())), Marks(color="lime"))
    told = str(caught.value)
    assert told.startswith("--mask_color=lime: is nowhere on the picture; the nearest colour is ")
    assert "--mask_tolerance" in told
    mask, _ = find_mask(
        read_picture(saved(tmp_path, photo())), Marks(color="#c08040", tolerance=40)
    )
    assert 0 < mask.mean() < 1


def test_paint_is_suggested(tmp_path):
    painted, _ = stroke(photo(), (0, 255, 255))
    path = saved(tmp_path, painted)
    with pytest.raises(UserError, match=r"neither black nor white.* pass --mask_color=cyan"):
        read(path, (96, 128))
    assert "--mask_color=cyan" in suggest_paint(read_picture(path))
    assert not suggest_paint(read_picture(saved(tmp_path, photo())))
