"""Rows that are kept."""

import pytest

from dip_jax.app import UserError
from experiments.quality.grid import fill


def test_a_grid_of_another_table_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    fill(path, ("a",), [[1]], lambda a: {"x": 2 * a})
    with pytest.raises(UserError, match="another table"):
        fill(path, ("b",), [[1]], lambda b: {"x": b})
