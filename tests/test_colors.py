"""The basis of colours."""

import numpy as np
import pytest

from dip_jax.colors import color_basis


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_bases_are_orthonormal(channels):
    basis = np.asarray(color_basis(channels))
    np.testing.assert_allclose(basis @ basis.T, np.eye(channels), atol=1e-6)


def test_gray_is_luma_alone():
    np.testing.assert_allclose(color_basis(3) @ np.ones(3), [3**0.5, 0, 0], atol=1e-6)
