"""Restores pictures with clear licences by the command, and writes the gallery.

  python -m experiments.gallery                # all exhibits that are not there yet
  python -m experiments.gallery --only=blur    # one, anew; the others stay

Each exhibit is a picture of scikit-image, 160x160 pixels, damaged by code. The command gets the
damaged file, and the mask or the kernel, but never the original. That one is used afterwards, for
the PSNR. ``docs/gallery.md`` is the page, and ``docs/images/gallery/`` holds the pictures and a
table with a line per exhibit.
"""

import csv
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import read_picture, replacing, write_picture
from dip_jax.metrics import psnr_8_bit
from experiments.exhibits import EXHIBITS, LICENCES, SIZE, Exhibit, load
from experiments.program import describe, run_program

NAME = "gallery"
COLUMNS = ("name", "damaged", "restored", "seconds", "processor", "versions", "date")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    names = [exhibit.name for exhibit in EXHIBITS]
    flags.DEFINE_list(
        "only",
        None,
        f"Exhibits to make anew [those that are not there], of {', '.join(names)}.",
        flag_values=values,
    )
    flags.DEFINE_string("out", "docs", "Folder for the page.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, _run, argv)


def _run(values: flags.FlagValues) -> None:
    exhibits = {exhibit.name: exhibit for exhibit in EXHIBITS}
    for name in values.only or ():
        if name not in exhibits:
            raise UserError("--only", name, "is unknown; there are " + ", ".join(exhibits))
    folder = Path(values.out) / "images" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_rows(folder)
    wanted = [name for name in exhibits if name not in rows] if values.only is None else values.only
    for name in wanted:
        print(f"{name}: dip-jax {shlex.join(exhibits[name].words)}", flush=True)
        rows[name] = make(exhibits[name], folder)
        _write_rows(folder, rows)
    page = format_page(rows)
    with replacing(Path(values.out) / f"{NAME}.md") as partial:
        partial.write_text(page, encoding="utf-8")


def make(exhibit: Exhibit, folder: Path) -> dict[str, str]:
    """Damages, restores and scores one picture; writes its details; returns its row."""
    original = load(exhibit)
    files = exhibit.damage(original)
    with tempfile.TemporaryDirectory() as work:
        for name, contents in files.items():
            (Path(work) / name).write_bytes(contents)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        restored = run_command(exhibit.words, Path(work))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        damaged = read_picture(str(Path(work) / exhibit.words[0])).image
        restored = read_picture(str(restored)).image
    enlarged = np.kron(damaged, np.ones((len(restored) // len(damaged),) * 2 + (1,), np.float32))
    for label, picture in (("before", enlarged), ("after", restored), ("original", original)):
        write_picture(folder / f"{exhibit.name}_{label}.png", picture, strip=True)
    facts = describe("cpu")
    return {
        "name": exhibit.name,
        "damaged": f"{psnr_8_bit(enlarged, original):.2f}",
        "restored": f"{psnr_8_bit(restored, original):.2f}",
        "seconds": f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.0f}",
        **{key: facts[key] for key in ("processor", "versions", "date")},
    }


def run_command(words: tuple[str, ...], work: Path) -> Path:
    """Runs ``dip-jax`` in a folder, from a cold start, on the CPU; returns the result's path.

    Raises:
      UserError: if the command fails; its own message goes to standard error.
    """
    environment = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(work / "cache"),
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    command = [sys.executable, "-m", "dip_jax", *words, "--quiet", "--backend=cpu"]
    if subprocess.run(command, cwd=work, env=environment, check=False).returncode:
        raise UserError("--only", words[0], "could not be restored")
    source = work / words[0]
    return source.with_stem(f"{source.stem}_restored")


def read_rows(folder: Path) -> dict[str, dict[str, str]]:
    """Returns the rows of an earlier run, by the names of their exhibits."""
    path = folder / f"{NAME}.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def _write_rows(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    with (
        replacing(folder / f"{NAME}.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[exhibit.name] for exhibit in EXHIBITS if exhibit.name in rows)


def format_page(rows: dict[str, dict[str, str]]) -> str:
    """Returns the page in Markdown, with the exhibits that have a row."""
    shown = [exhibit for exhibit in EXHIBITS if exhibit.name in rows]
    machines = sorted({row["processor"] for row in rows.values()})
    versions = sorted({row["versions"] for row in rows.values()})
    dates = sorted({row["date"] for row in rows.values()})
    dates = dates[:1] + dates[1:][-1:]
    lines = [
        "# Gallery",
        "",
        f"Each picture has {SIZE}x{SIZE} pixels and was damaged by code. The command saw the "
        "damaged file, and the mask or the kernel where one is named, but not the original. PSNR "
        "is against the original.",
        "",
        "Seconds are processor seconds of the whole command, of all cores together, compiling "
        "included. On two idle cores, expect half of that at best. Other programs were running, "
        "which raises these figures too.",
        "",
        f"{'; '.join(machines)}. {'; '.join(versions)}. {' to '.join(dates)}. "
        "`python -m experiments.gallery` makes this page.",
    ]
    for exhibit in shown:
        row = rows[exhibit.name]
        cells = [
            f"![{exhibit.title}: {label}](images/{NAME}/{exhibit.name}_{label}.png)"
            for label in ("before", "after", "original")
        ]
        lines += [
            "",
            f"## {exhibit.title}",
            "",
            "```sh",
            f"dip-jax {shlex.join(exhibit.words)}",
            "```",
            "",
            f"| before: {row['damaged']} dB | after: {row['restored']} dB | original |",
            "|---|---|---|",
            f"| {' | '.join(cells)} |",
            "",
            f"{exhibit.remark} {row['seconds']} processor seconds. "
            f"Picture: {LICENCES[exhibit.picture]}.",
        ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
