"""Ways to restore a folder, compared."""

import pytest

from dip_jax.app.files import read_picture
from experiments.speed import folder


def test_ways_through_a_folder_are_compared_and_must_agree(tmp_path):
    sizes = folder.choose_sizes([96, 64])
    assert sizes == [(64, 64), (96, 64), (96, 96)]
    paths = folder.make_pictures(tmp_path / "pictures", 4, sizes)
    assert [sizes[i % 3] for i in range(4)] == [
        tuple(read_picture(path).image.shape[:2]) for path in paths
    ]
    seconds = dict(zip(folder.WAYS, ([40.0, 42.0], [20.0, 21.0], [10.0], [82.0]), strict=True))
    rows = folder.compare(seconds, 41)
    assert rows[0] == [folder.SINGLES, "41.0", "3600", "1.00", "0.50"]
    assert rows[2] == [folder.DEVICES, "10.0", "14760", "4.10", "2.05"]
    same = {way: {"000": b"x"} for way in folder.WAYS}
    folder.check_equal(same, 1)
    for other, words in (({"000": b"y"}, "other pictures than one command"), ({}, "0 of 1")):
        with pytest.raises(OSError, match=f"a folder, two devices: wrote {words}"):
            folder.check_equal(same | {folder.DEVICES: other}, 1)
    assert folder.compare({folder.FOLDER: [41.0]}, 41)[0][3:] == ["-", "1.00"]
