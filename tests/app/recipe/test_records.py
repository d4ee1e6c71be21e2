import dataclasses
import json

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import (
    Record,
    as_data,
    check_at_least_0,
    check_integer,
    freeze,
    suggest,
)


@dataclasses.dataclass(frozen=True)
class Inner(Record):
    name = "inner"
    size: int = 1

    def check(self):
        check_integer("size", self.size, 1, 9)


@dataclasses.dataclass(frozen=True)
class Outer(Record):
    inner: Inner = Inner()
    share: float = 0.5


def test_a_record_checks_itself_whenever_it_is_made():
    with pytest.raises(UserError, match="size=0: must be at least 1 and at most 9"):
        Inner(0)
    with pytest.raises(UserError, match="size=10"):
        Inner().replace(size=10)
    assert Inner().replace() == Inner()


def test_records_turn_into_what_json_can_hold():
    assert Outer.fields() == ("inner", "share")
    data = as_data(Outer(Inner(3)))
    assert data == {"inner": {"name": "inner", "size": 3}, "share": 0.5}
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("value", ["3", 2.5, None])
def test_integers(value):
    with pytest.raises(UserError, match="must be an integer"):
        check_integer("size", value, 0, 9)


def test_integers_of_numpy_are_integers():
    check_integer("size", np.int64(3), 0, 9)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "1", None])
def test_numbers_of_at_least_0(value):
    with pytest.raises(UserError, match="must be a number of at least 0"):
        check_at_least_0("weight", value)


def test_the_nearest_name_is_suggested():
    assert suggest("denoize", ["denoise", "inpaint"]) == "did you mean denoise?"
    assert suggest("xyz", ["denoise", "inpaint", "denoise"]) == "there are denoise, inpaint"


def test_lists_become_hashable():
    frozen = freeze({"widths": [4, [5]], "kind": "a"})
    assert frozen == (("widths", (4, (5,))), ("kind", "a"))
    hash(frozen)
