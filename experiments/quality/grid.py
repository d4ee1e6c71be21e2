"""Rows of a table that take long to compute; each is saved as soon as it is done."""

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from dip_jax.app import UserError
from dip_jax.app.files import replacing

Row = dict[str, str]


def fill(
    path: Path,
    names: Sequence[str],
    keys: Iterable[Sequence[Any]],
    compute: Callable[..., dict[str, Any]],
) -> list[Row]:
    """Returns the rows for ``keys``; computes and saves those that ``path`` does not hold.

    Args:
      path: a CSV file; created if absent, and rewritten after each new row.
      names: the columns of a key.
      keys: one sequence of values per row; keys must differ as text.
      compute: maps a key's values to the other columns.

    Raises:
      UserError: if the file belongs to another table.
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
        raise UserError("--out", path, "holds another table; use another folder")
    return {tuple(row[name] for name in names): row for row in rows}


def _write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
