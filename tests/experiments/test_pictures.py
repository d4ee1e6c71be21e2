"""How pictures are cut."""

import numpy as np
import pytest

from dip_jax.app import UserError
from experiments.pictures import crop_centre


def test_centre_is_in_the_middle():
    picture = np.arange(6 * 8 * 1).reshape(6, 8, 1)
    np.testing.assert_array_equal(crop_centre(picture, 4, "p"), picture[1:5, 2:6])
    with pytest.raises(UserError, match="8x6"):
        crop_centre(picture, 7, "p")
    assert crop_centre(picture, 0, "p") is picture
