"""Arrays as other libraries shape and scale them."""

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

RNG = np.random.default_rng(0)
ARRAYS = {
    "uint16": RNG.integers(0, 65536, (12, 20, 3)).astype(np.uint16),
    "12 bits": RNG.integers(0, 4096, (12, 20)).astype(np.uint16),
    "counts": RNG.integers(0, 900, (12, 20)),
    "signed": RNG.integers(-500, 900, (12, 20)).astype(np.int16),
    "float 255": (RNG.random((12, 20, 3)) * 255).astype(np.float32),
    "negative": RNG.standard_normal((12, 20)),
    "half": RNG.random((12, 20)).astype(np.float16),
    "channels first": RNG.random((3, 12, 20)),
    "batch": RNG.random((1, 12, 20, 3)),
    "batch, channels first": RNG.random((1, 3, 12, 20)),
    "one channel first": RNG.random((1, 12, 20)),
    "alpha": RNG.random((12, 20, 4)).astype(np.float32),
    "two channels": RNG.random((12, 20, 2)),
    "five channels": RNG.random((12, 20, 5)).astype(np.float32),
    "seven channels first": RNG.integers(0, 65536, (7, 12, 20)).astype(np.uint16),
    "batch, nine channels first": RNG.random((1, 9, 12, 20)),
    "big-endian": RNG.random((12, 20)).astype(">f4"),
}


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name, suffix, tmp_path):
    first, second, stored = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", ARRAYS[name]
    (np.save if suffix == ".npy" else np.savez)(first, stored)
    picture = read_picture(first)
    assert picture.image.shape[:2] == (12, 20)
    assert picture.image.min() >= 0
    assert picture.image.max() <= 1
    assert np.ptp(picture.image) > 0.4
    assert not write_picture(second, picture.image, picture.alpha, picture.origin)
    again = np.load(second)
    again = again if suffix == ".npy" else again["arr_0"]
    assert again.dtype.name == stored.dtype.name
    assert again.shape == stored.shape
    if stored.dtype.kind in "iu":
        np.testing.assert_array_equal(again, stored)
    np.testing.assert_allclose(again, stored, atol=1e-6 * float(np.ptp(stored)))


def test_what_is_understood_is_said(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS["batch, channels first"])
    batch, first = read_picture(path).remarks
    assert batch.endswith("has the shape (1, 3, 12, 20): taken as one picture")
    assert first.endswith("its first axis is taken for the channels")
    np.save(path, ARRAYS["12 bits"])
    (scale,) = read_picture(path).remarks
    assert "from 0 to 4095" in scale


def test_archives_of_several_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((4, 4)), y=np.ones((4, 4)))
    picture = read_picture(path)
    assert (picture.image == 0).all()
    told = "has 2 arrays: x is taken, and alone in the result (--page=NAME takes another: x, y)"
    assert told in picture.remarks[0]
    for page in (2, "y"):
        picture = read_picture(path, page=page)
        assert (picture.image == 1).all()
        assert not picture.remarks
    write_picture(tmp_path / "b.npz", picture.image, None, picture.origin)
    assert np.load(tmp_path / "b.npz").files == ["y"]
    with pytest.raises(UserError, match=r"a\.npz: has no array z; choose --page from x, y"):
        read_picture(path, page="z")
    write_picture(
        tmp_path / "b.npz", picture.image, None, picture.origin._replace(encoding={"name": "file"})
    )
    assert np.load(tmp_path / "b.npz").files == ["image"]
    np.savez(path, **{f"x{i}": np.zeros((4, 4)) for i in range(12)})
    assert "x0, x1, x2, x3, x4, x5, x6, x7, ...)" in read_picture(path).remarks[0]
    np.savez(path)
    with pytest.raises(UserError, match="holds no array"):
        read_picture(path)
    path.write_bytes(b"PK and no more")
    with pytest.raises(UserError, match=r"not a whole \.npz archive"):
        read_picture(path)
    np.savez(path, np.array([[print]], dtype=object))
    with pytest.raises(UserError, match="without Python objects"):
        read_picture(path)


def test_one_of_several_pictures(tmp_path):
    path, stored = tmp_path / "a.npy", RNG.random((5, 12, 20, 3))
    np.save(path, stored)
    picture = read_picture(path)
    assert "has 5 pictures: the first is taken" in picture.remarks[0]
    picture = read_picture(path, page=4)
    np.testing.assert_allclose(picture.image, stored[3], atol=1e-6)
    assert not picture.remarks
    for page, words in [(6, "choose --page from 1 to 5"), ("x", "pictures without names")]:
        with pytest.raises(UserError, match=words):
            read_picture(path, page=page)
    np.save(path, stored[0])
    with pytest.raises(UserError, match="has one picture only; drop --page"):
        read_picture(path, page=2)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((31, 40, 50), 31), ((40, 50, 31), 31), ((5, 12, 3), 3), ((3, 20, 5), 3), ((4, 40, 50), 4)],
)
def test_which_axis_holds_the_channels(shape, channels, tmp_path):
    np.save(tmp_path / "a.npy", RNG.random(shape))
    picture = read_picture(tmp_path / "a.npy")
    assert picture.image.shape[2] + (picture.alpha is not None) == channels


def test_other_formats_hold_the_channels_that_can_be_seen(tmp_path):
    image = RNG.random((12, 20, 5), np.float32)
    (said,) = write_picture(tmp_path / "a.png", image)
    assert said == "PNG holds no 5 channels: the first three are written"
    shown = read_picture(tmp_path / "a.png").image
    np.testing.assert_allclose(shown, image[:, :, :3], atol=0.5 / 255 + 1e-6)
    (said,) = write_picture(tmp_path / "a.jpg", image[:, :, :2])
    assert said == "JPEG holds no 2 channels: their mean is written"
    assert read_picture(tmp_path / "a.jpg").image.shape == (12, 20, 1)


def test_no_numbers_are_holes(tmp_path):
    path, stored = tmp_path / "a.npy", RNG.random((12, 20, 3))
    stored[2, 3, 1], stored[5, 5] = np.nan, np.inf
    np.save(path, stored)
    picture = read_picture(path)
    assert np.argwhere(picture.holes).tolist() == [[2, 3], [5, 5]]
    assert np.isfinite(picture.image).all()
    np.save(path, np.zeros((4, 4)))
    assert read_picture(path).holes is None
