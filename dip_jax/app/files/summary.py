"""The summary of many pictures, read from the folders of their results.

It is made from what the folders hold, so it is complete whoever writes it last: one of several
processes, or a run that was killed and resumed.
"""

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.app.errors import NotOursError, UserError, printable
from dip_jax.app.files.atomic import replacing
from dip_jax.app.files.results import RECORD

FAILURE = "failed.txt"
TABLES = ("summary.csv", "summary.md")
_COLUMNS: tuple[str, ...] = (
    "picture",
    "state",
    "before",
    "psnr",
    "psnr_luma",
    "steps",
    "noise",
    "seconds",
)
_SCORES = ("before", "psnr", "psnr_luma")
_MARK = "pictures:"
Row = dict[str, Any]


def keep_failure(folder: Path, problem: str) -> None:
    """Notes why there is no result in ``folder``."""
    with contextlib.suppress(OSError):  # a full disk is reported at the end anyway
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / FAILURE) as partial:
            partial.write_text(problem + "\n", encoding="utf-8")


def forget_failure(folder: Path) -> None:
    """Removes the note, if there is one."""
    (folder / FAILURE).unlink(missing_ok=True)


def check_summary(folder: Path) -> None:
    """Raises a NotOursError if ``folder`` holds a summary of something else."""
    for name, begins in zip(TABLES, (",".join(_COLUMNS[:2]), _MARK), strict=True):
        with contextlib.suppress(FileNotFoundError):
            if begins not in (folder / name).read_bytes()[:100].decode(errors="replace"):
                problem = f"holds a {name} of something else; name the --out of a run"
                raise NotOursError("--resume", folder, problem)


def write_summary(folder: Path, names: list[str], settings: Row) -> list[Path]:
    """Writes ``summary.csv`` and ``summary.md`` on the pictures of these names.

    A result with other common ``settings`` than these does not count: it is an earlier run's.

    Raises:
      UserError: if the disk or the folder refuses.
    """
    rows = [_row(folder, name, settings) for name in names]
    paths = [folder / name for name in TABLES]
    try:
        with (
            replacing(paths[0]) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, _COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        with replacing(paths[1]) as partial:
            partial.write_text(_markdown(rows), encoding="utf-8")
    except OSError as error:
        raise UserError("--out", folder, f"can't be written ({error.strerror})") from error
    return paths


def _row(place: Path, picture: str, settings: Row) -> Row:
    name, folder = {"picture": printable(picture)}, place / picture
    # First: a record may be left of an earlier run.
    with contextlib.suppress(OSError):
        problem = (folder / FAILURE).read_text(encoding="utf-8").strip()
        return name | {"state": f"failed: {problem}"}
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if any(record["run"].get(key) != value for key, value in settings.items()):
            return name | {"state": "not done"}
        return name | _told(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or not ours
        return name | {"state": "not done"}


def _told(record: dict[str, Any]) -> Row:
    shown, restored, *_ = [*record["scores"].values(), {}, {}]
    noise = record["picture"]["noise"]
    seconds = sum(record["seconds"].values())
    return {
        "state": "interrupted" if record["interrupted"] else "done",
        "before": shown.get("psnr", ""),
        "psnr": restored.get("psnr", ""),
        "psnr_luma": restored.get("psnr_luma", ""),
        "steps": record["steps"],
        "noise": "" if noise is None else f"{noise['kind']} {noise['level']:.1f}",
        "seconds": f"{seconds:.1f}",
    }


def _markdown(rows: list[Row]) -> str:
    columns = [name for name in _COLUMNS if any(row.get(name, "") != "" for row in rows)]
    lines = [[_cell(row.get(name, "")) for name in columns] for row in rows]
    done = [row for row in rows if row["state"] == "done"]
    scores = {
        # One may be infinite, which JSON holds as text.
        name: [float(row[name]) for row in done if row.get(name, "") != ""]
        for name in _SCORES
    }
    for label, choose in (("mean", np.mean), ("worst", np.min)):
        values = {name: float(choose(found)) for name, found in scores.items() if found}
        if values:
            lines.append(
                [label if name == "picture" else _cell(values.get(name, "")) for name in columns]
            )
    states = [row["state"].split(":")[0] for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    table = [columns, ["---"] * len(columns), *lines]
    text = "\n".join("| " + " | ".join(line) + " |" for line in table)
    note = "Scores in dB, noise in 8-bit levels."
    return f"{len(rows)} {_MARK} {counts}. {note}\n\n{text}\n"


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value).replace("|", "\\|")
