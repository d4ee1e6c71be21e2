"""Rows of a table that take long to compute: each is kept when it is done."""

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from dip_jax.app.errors import UserError
from dip_jax.app.files import replacing

Row = dict[str, str]


def fill(
    path: Path,
    names: Sequence[str],
    keys: Iterable[Sequence[Any]],
    compute: Callable[..., dict[str, Any]],
) -> list[Row]:
    """The rows of ``keys``, those that ``path`` does not hold computed and added to it.

    Args:
      path: a CSV file; made if absent, and replaced whole after each row.
      names: columns of a key.
      keys: one sequence for each row, of values that differ as text.
      compute: from a key's values to the other columns.

    Raises:
      UserError: if the file is of another table.
    """
    kept = _read(path, names)
    rows = []
    for values in keys:
        key = tuple(str(value) for value in values)
        if key not in kept:
            print(f"{path.stem}: {', '.join(key)}", file=sys.stderr, flush=True)
            found = {name: str(value) for name, value in compute(*values).items()}
            kept[key] = dict(zip(names, key, strict=True)) | found
            _write(path, list(kept.values()))
        rows.append(kept[key])
    return rows


def _read(path: Path, names: Sequence[str]) -> dict[tuple[str, ...], Row]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(name not in row for row in rows for name in names):
        raise UserError("--out", path, "holds another table; name another folder")
    return {tuple(row[name] for name in names): row for row in rows}


def _write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
