"""PGM and PPM, of 8 and 16 bits."""

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import read_picture, write_picture

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_depth_comes_back(kind, channels, tmp_path):
    stored = RNG.integers(0, np.iinfo(kind).max + 1, (12, 20, channels)).astype(kind)
    number, most = 5 if channels == 1 else 6, np.iinfo(kind).max
    first, second = tmp_path / "a.ppm", tmp_path / "b.ppm"
    head = b"P%d # a comment\n20\t12\n# more\n%d\n" % (number, most)
    first.write_bytes(head + stored.astype(stored.dtype.newbyteorder(">")).tobytes())
    picture = read_picture(first)
    np.testing.assert_array_equal(np.rint(picture.image * most), stored)
    assert picture.origin.dtype == kind
    write_picture(second, picture.image, None, picture.origin)
    np.testing.assert_array_equal(read_picture(second).image, picture.image)


def test_text_and_other_ranges(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P2 3 1 15\n0 15 # white\n3\n")
    np.testing.assert_allclose(read_picture(path).image[0, :, 0], [0, 1, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"P5 3", "no whole header"),
        (b"P5 3 1 255\n12", "cut short"),
        (b"P2 3 1 255\n1 2", "cut short"),
        (b"P2 3 1 9\n1 2 300", "cut short"),
        (b"P5 99999 99999 255\n1", "64 megapixels"),
        (b"P5 0 9 255\n1", "no pixels"),
        (b"P5 1 1 0\n1", "no values"),
    ],
)
def test_damaged_files_are_refused(data, problem, tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(data)
    with pytest.raises(UserError, match=problem):
        read_picture(path)
