"""Transparency: what is erased is filled; enlarged, it has soft edges without fringes."""

import numpy as np
import pytest

from dip_jax.app.files.alpha import enlarge_alpha, spread_colors, without_erased
from dip_jax.app.files.masks import Marks, find_mask
from dip_jax.app.files.pictures import read_picture, write_picture
from tests.app.files.common import SHAPE, photo, picture, read, saved


def test_what_is_erased_is_filled(tmp_path):
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[2:5, 3:8], alpha[3, 4:7] = 120, 0  # with an eraser's soft rim
    alpha[9, 15] = 120  # glass
    of = picture()._replace(alpha=alpha)
    mask, lines = find_mask(of, Marks())
    wanted = np.ones(SHAPE)
    wanted[2:5, 3:8] = 0
    np.testing.assert_array_equal(mask[:, :, 0], wanted)
    assert "its transparent pixels" in lines[0]
    assert "opaque in the result" in lines[1]
    hole = mask[:, :, 0] == 0
    opaque = without_erased(alpha, hole)
    assert opaque.dtype == np.uint8
    assert opaque[9, 15] == 120
    assert (np.delete(opaque.ravel(), 9 * 20 + 15) == 255).all()
    for kind, most in {"int64": 255, "float32": 1, "uint16": 4095}.items():  # as arrays have it
        same = (alpha.astype(float) * most / 255).astype(kind)
        mask, _ = find_mask(picture()._replace(alpha=same), Marks())
        np.testing.assert_array_equal(mask[:, :, 0], wanted)
        assert without_erased(same, hole)[3, 5] == most
        assert without_erased(same, hole).dtype == kind
    # Spot by spot: one that is not filled whole stays as it is.
    two = np.where(np.arange(SHAPE[1]) < 10, alpha, alpha[:, ::-1])
    np.testing.assert_array_equal(without_erased(two, hole), np.where(hole, 255, two))
    hole[2, 3] = False
    np.testing.assert_array_equal(without_erased(two, hole), two)
    # Where something else is marked, transparency is nothing but transparency.
    mask, _ = find_mask(of, Marks(boxes="0,0,1,1"))
    assert (mask == 0).sum() == 1
    assert find_mask(picture()._replace(alpha=alpha | 1), Marks()) == (None, [])
    # On a mask file that is a picture, too.
    pixels = np.dstack([photo(), np.full((96, 128), 255, np.uint8)])
    pixels[20:30, 40:70, 3] = 0
    mask, lines = read(saved(tmp_path, pixels), (96, 128))
    np.testing.assert_array_equal(mask[:, :, 0], pixels[:, :, 3] > 0)
    assert "the transparent part of mask.png" in lines[0]


def test_a_result_keeps_its_alpha_channel(tmp_path):
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[3, 4] = 0
    write_picture(tmp_path / "a.png", picture().image, without_erased(alpha, alpha == 0))
    assert (read_picture(tmp_path / "a.png").alpha == 255).all()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_an_enlarged_alpha_channel_is_smooth(kind):
    y, x = np.mgrid[:96, :96]
    large = np.clip((30 - np.hypot(x - 47.5, y - 47.5)) / 8, 0, 1)  # a disc with a soft edge
    small = large.reshape(24, 4, 24, 4).mean((1, 3))
    most = 1 if kind == "float32" else np.iinfo(kind).max
    stored = (np.rint(small * most) if most > 1 else small).astype(kind)
    enlarged = enlarge_alpha(stored, 4)
    assert enlarged.dtype == kind
    assert enlarged.max() == stored.max()
    error = np.abs(enlarged / most - large).mean()
    assert error < np.abs(small.repeat(4, 0).repeat(4, 1) - large).mean() / 2
    opaque = np.full((5, 6), 255, np.uint8)
    np.testing.assert_array_equal(enlarge_alpha(opaque, 2), np.full((10, 12), 255))


def test_hidden_colors_make_no_fringes():
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[3:9, 5:12] = 255
    image = np.where(alpha[:, :, None] > 0, [0.8, 0.5, 0.2], [0, 0, 1])
    np.testing.assert_array_equal(
        spread_colors(image, alpha), np.tile([0.8, 0.5, 0.2], (*SHAPE, 1))
    )
    assert spread_colors(image, alpha | 1) is image
    assert spread_colors(image, alpha * 0) is image
