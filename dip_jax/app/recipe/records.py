"""What the records of a recipe share: they check themselves, and turn into plain data."""

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from dip_jax.app.errors import UserError


@dataclasses.dataclass(frozen=True)
class Record:
    """An immutable, hashable record that checks its fields on construction."""

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
          UserError: naming the field, its value and the fix.
        """
        self.check()

    def check(self) -> None:
        """Checks the fields; see :meth:`__post_init__`."""

    def replace(self, **changes: Any) -> Self:
        """Returns the record with some fields changed, and checked."""
        return dataclasses.replace(self, **changes) if changes else self

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(field.name for field in dataclasses.fields(cls))

    def as_data(self) -> dict[str, Any]:
        """Returns the record as dictionaries, its class's name among them."""
        own = {"name": self.name} if self.name else {}
        return own | {name: as_data(getattr(self, name)) for name in self.fields()}


def as_data(value: Any) -> Any:
    """Returns a value in a form that JSON can hold."""
    return value.as_data() if isinstance(value, Record) else value


def check_boolean(name: str, value: Any) -> None:
    """Raises a UserError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise UserError(name, value, "must be True or False")


def check_integer(name: str, value: Any, least: int, most: int) -> None:
    """Raises a UserError unless ``value`` is an integer in that range."""
    if not isinstance(value, numbers.Integral):
        raise UserError(name, value, "must be an integer")
    if not least <= int(value) <= most:
        raise UserError(name, value, f"must be at least {least} and at most {most}")


def check_at_least_0(name: str, value: Any) -> None:
    """Raises a UserError unless ``value`` is a finite number of at least 0."""
    if not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise UserError(name, value, "must be a number of at least 0")


def suggest(name: str, choices: Iterable[str]) -> str:
    """Returns words that name the nearest of ``choices``, or all of them."""
    choices = list(dict.fromkeys(choices))
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "there are " + ", ".join(choices)


def freeze(value: Any) -> Any:
    """Returns a list, as JSON has it, as a tuple, which is hashable."""
    if isinstance(value, dict):
        return tuple((key, freeze(one)) for key, one in value.items())
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
