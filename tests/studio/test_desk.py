"""What the desk does with pictures, in this process."""

import json

import numpy as np
import pytest
from PIL import Image

from dip_jax_studio import desk


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return str(path)


def do(order, **fields):
    return desk.answer(
        json.dumps(
            {"order": order} | {k: str(v) if hasattr(v, "parts") else v for k, v in fields.items()}
        )
    )


def load(path):
    with Image.open(path) as image:
        return np.asarray(image)


RGB = np.random.default_rng(0).integers(0, 255, (20, 27, 3), np.uint8)


def test_large_and_transparent_pictures_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "_SHOWN", 10)
    rgba = np.dstack([RGB, np.full((20, 27), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    told = do("look", path=save(tmp_path / "a.png", rgba), shown=tmp_path / "s.png")
    assert told["erased"]
    assert (told["width"], told["height"]) == (27, 20)
    np.testing.assert_array_equal(load(tmp_path / "s.png"), rgba[::3, ::3])


def test_a_problem_is_one_line_without_the_path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"text")
    told = do("look", path=tmp_path / "a.png", shown=tmp_path / "s.png")
    assert told["problem"].startswith("is named as a PNG, but is not a picture")
    assert str(tmp_path) not in told["problem"]
    assert not (tmp_path / "s.png").exists()


def test_paint_becomes_a_mask_and_paint_again(tmp_path):
    paint = np.zeros((20, 27, 4), np.uint8)
    paint[3:5, 3:9, 3] = 255
    paint[10, 10, 3] = 20  # hardly any
    path = save(tmp_path / "paint.png", paint)
    size = {"width": 27, "height": 20}
    told = do("paint", path=path, out=tmp_path / "mask.png", used=True, **size)
    assert told == {"share": pytest.approx(12 / 540)}
    mask = load(tmp_path / "mask.png")
    assert (mask[3:5, 3:9] == 0).all()
    assert (mask == 0).sum() == 12
    do("repaint", path=tmp_path / "mask.png", out=tmp_path / "again.png")
    np.testing.assert_array_equal(load(tmp_path / "again.png")[:, :, 3] > 0, mask == 0)
    opaque = save(tmp_path / "all.png", RGB)
    told = do("paint", path=opaque, out=tmp_path / "mask.png", used=True, **size)
    assert told["problem"].startswith("all is painted, so that nothing is known")


def test_where_nothing_is_painted_there_is_no_mask(tmp_path):
    order = {"out": tmp_path / "mask.png", "width": 27, "height": 20}
    order["path"] = save(tmp_path / "paint.png", np.zeros((20, 27, 4), np.uint8))
    assert do("paint", used=False, **order) == {"share": 0}
    assert not (tmp_path / "mask.png").exists()
    for used in (False, True):
        save(tmp_path / "mask.png", RGB)  # made before
        do("paint", used=used, **order)
        assert not (tmp_path / "mask.png").exists()


def test_a_folder_that_is_gone(tmp_path):
    path, paint = tmp_path / "gone" / "mask.png", np.zeros((20, 27, 4), np.uint8)
    paint[:5, :, 3] = 255
    order = {"path": save(tmp_path / "paint.png", paint), "width": 27, "height": 20, "used": True}
    problem = do("paint", out=path, **order)["problem"]
    assert problem == (
        "a file of the studio can't be read or written (No such file or directory); free some "
        "space, or reload the page"
    )


def test_heat(tmp_path):
    np.save(tmp_path / "u.npy", np.array([[0, 0.01], [0.04, 0.0025]], np.float32))
    told = do("heat", path=tmp_path / "u.npy", out=tmp_path / "h.png")
    assert told["most"] == pytest.approx(10.2)
    np.testing.assert_array_equal(load(tmp_path / "h.png")[:, :, 3], [[0, 128], [255, 64]])
    np.save(tmp_path / "u.npy", np.zeros((2, 2), np.float32))
    assert do("heat", path=tmp_path / "u.npy", out=tmp_path / "h.png")["most"] == 0


def test_strength_needs_a_result_of_the_same_size(tmp_path):
    given, small = save(tmp_path / "a.png", RGB), save(tmp_path / "b.png", RGB[:10])
    fields = {"strength": 50, "strip": False, "factor": 1, "out": tmp_path / "o.png"}
    told = do("export", given=given, restored=small, **fields)
    assert "can't be applied to this result" in told["problem"]
