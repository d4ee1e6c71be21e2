"""What experiments and benchmarks share: flags, one-line errors, and tables on disk."""

import csv
import datetime
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from dip_jax.app.errors import UserError
from dip_jax.app.files import replacing

# Of jax and PyTorch, on a device or off it.
_OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|out of memory|can't allocate memory", re.IGNORECASE)
PACKAGES = ("dip-jax", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "bm3d")


class Table(NamedTuple):
    """A result: a title, named columns and rows of equal length."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


def run_program(
    name: str,
    text: str,
    define: Callable[[flags.FlagValues], None],
    body: Callable[[flags.FlagValues], None],
    argv: Sequence[str],
) -> int:
    """Parses ``argv`` (without the program's name) and calls ``body``; returns the exit code.

    A mistake of the user's is one line on standard error and the code 2.
    """
    values = flags.FlagValues()
    define(values)
    flags.DEFINE_bool("help", False, "Show this text.", flag_values=values)
    try:
        try:
            rest = values([name, *argv])[1:]
        except flags.Error as error:
            raise UserError("flags", " ".join(argv), f"{error}; see --help") from error
        if rest:
            raise UserError("flags", rest[0], "is no flag; see --help")
        if values.help:
            print(f"{text}\n{values.get_help(include_special_flags=False)}")
            return 0
        body(values)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except (FloatingPointError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        print(f"{name}: out of memory; take a smaller picture or network", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: stopped; finished results are kept", file=sys.stderr)
        return 130
    return 0


def define_backend(values: flags.FlagValues) -> None:
    """``--backend``."""
    backends = ("auto", "cpu", "gpu", "tpu")
    flags.DEFINE_enum("backend", "auto", backends, "Device.", flag_values=values)


def define_common(values: flags.FlagValues) -> None:
    """``--backend`` and ``--out``."""
    define_backend(values)
    flags.DEFINE_string("out", None, "Folder to save the tables in [none].", flag_values=values)


def require(package: str, extra: str, flag: str, value: str) -> None:
    """Tells how to get ``package``, of the optional dependencies ``extra``, if it is missing.

    Raises:
      UserError: if it cannot be imported.
    """
    if importlib.util.find_spec(package) is None:
        problem = f"{package} is not installed; pip install '.[{extra}]', or leave it out"
        raise UserError(flag, value, problem)


def integers(flag: str, values: Sequence[str], *, least: int = 1) -> list[int]:
    """The integers of a list flag.

    Raises:
      UserError: if one is none, or too small.
    """
    for value in values:
        if not value.strip().isdecimal() or int(value) < least:
            raise UserError(flag, value, f"must be integers of at least {least}, as in 128,256")
    return [int(value) for value in values]


def describe(device: str) -> dict[str, str]:
    """What a number depends on: device, versions, date."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device,
        "processor": f"{_processor()}, {os.cpu_count()} cores seen",
        "python": platform.python_version(),
        "versions": ", ".join(versions),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def publish(
    tables: Sequence[Table], name: str, argv: Sequence[str], device: str, out: str | None
) -> None:
    """Prints the tables as Markdown; with ``out`` also saves them, and as CSV.

    ``name`` is the program's, dotted; the files take its last part.
    """
    facts = {"command": " ".join(["python -m", name, *argv]), **describe(device)}
    name = name.rpartition(".")[2]
    lines = [f"- {key}: {value}" for key, value in facts.items()]
    for table in tables:
        lines += ["", f"## {table.title}", "", markdown(table)]
        if table.note:
            lines += ["", table.note]
    text = "\n".join([f"# {name}", "", *lines, ""])
    print(text)
    if out is None:
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{name}.md") as partial:
        partial.write_text(text, encoding="utf-8")
    with (
        replacing(folder / f"{name}.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*facts, "table", "row", "column", "value"])
        for table in tables:
            for number, row in enumerate(table.rows):
                for column, value in zip(table.columns, row, strict=True):
                    writer.writerow([*facts.values(), table.title, number, column, value])


def markdown(table: Table) -> str:
    """The table's columns and rows in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
