"""The frame of every experiment: flags, one-line errors, and tables on disk."""

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

from dip_jax.app import UserError
from dip_jax.app.files import replacing

# Messages of jax and PyTorch, for a device or the host.
_OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|out of memory|can't allocate memory", re.IGNORECASE)
PACKAGES = ("dip-jax", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "bm3d")


class Table(NamedTuple):
    """A result: a title, named columns, and rows of the same length."""

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

    A user's mistake prints one line to standard error and returns 2.
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
            raise UserError("flags", rest[0], "is not a flag; see --help")
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
        print(f"{name}: out of memory; use a smaller picture or network", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; finished results are kept", file=sys.stderr)
        return 130
    return 0


def define_backend(values: flags.FlagValues) -> None:
    """Defines ``--backend``."""
    backends = ("auto", "cpu", "gpu", "tpu")
    flags.DEFINE_enum("backend", "auto", backends, "Device.", flag_values=values)


def define_common(values: flags.FlagValues) -> None:
    """Defines ``--backend`` and ``--out``."""
    define_backend(values)
    flags.DEFINE_string(
        "out", None, "Folder for the tables; default: do not save.", flag_values=values
    )


def require(package: str, extra: str, flag: str, value: str) -> None:
    """Checks that an optional package is installed.

    Args:
      package: the name to import.
      extra: the optional dependencies that hold it, as in ``pip install '.[extra]'``.
      flag: the flag that asks for it, for the error message.
      value: that flag's value.

    Raises:
      UserError: if the package is missing; the message says how to install it.
    """
    if importlib.util.find_spec(package) is None:
        problem = f"{package} is not installed; run pip install '.[{extra}]', or leave it out"
        raise UserError(flag, value, problem)


def parse_integers(flag: str, values: Sequence[str], *, least: int = 1) -> list[int]:
    """Parses the values of a list flag as integers.

    Raises:
      UserError: if a value is not an integer, or is smaller than ``least``.
    """
    for value in values:
        if not value.strip().isdecimal() or int(value) < least:
            raise UserError(flag, value, f"must be integers >= {least}, for example 128,256")
    return [int(value) for value in values]


def describe(device: str) -> dict[str, str]:
    """Describes what a measurement depends on: device, versions, date."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device,
        "processor": f"{_find_processor()}, {os.cpu_count()} cores seen",
        "python": platform.python_version(),
        "versions": ", ".join(versions),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def publish(
    tables: Sequence[Table], name: str, argv: Sequence[str], device: str, out: str | None
) -> None:
    """Prints the tables as Markdown; with ``out``, also saves them as Markdown and CSV.

    ``name`` is the program's dotted name; the files are named after its last part.
    """
    facts = {"command": " ".join(["python -m", name, *argv]), **describe(device)}
    name = name.rpartition(".")[2]
    lines = [f"- {key}: {value}" for key, value in facts.items()]
    for table in tables:
        lines += ["", f"## {table.title}", "", format_markdown(table)]
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


def format_markdown(table: Table) -> str:
    """Formats the table's columns and rows as Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _find_processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
