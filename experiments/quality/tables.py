"""Shared parts of the picture tables: flags, runs of a method, and formatted scores."""

import datetime
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import Restoration, UserError, recipe, restore
from dip_jax.app.recipe import Preset
from dip_jax.metrics import rank_correlation, to_uint8
from experiments.program import define_backend
from experiments.quality.grid import Row, fill

EXAMPLES = "fast, fast:wmv, fast/256 or fast*4"


def define_grid(
    values: flags.FlagValues,
    name: str,
    *,
    pictures: Sequence[str],
    methods: Sequence[str],
    others: Sequence[str],
    size: int,
) -> None:
    """Defines the flags of a table; ``others`` are the methods that are not presets."""
    text = {"flag_values": values}
    define_pictures(values, pictures)
    known = f"Presets, such as {EXAMPLES}, and " + ", ".join(others)
    flags.DEFINE_list("methods", list(methods), known + ".", **text)
    flags.DEFINE_integer("seeds", 1, "Number of seeds per preset: 0, 1, ...", lower_bound=1, **text)
    flags.DEFINE_integer(
        "size", size, "Side of the centre crop; 0: whole picture.", lower_bound=0, **text
    )
    define_backend(values)
    flags.DEFINE_string("out", f"dip-jax-results/{name}", "Folder for the results.", **text)


def define_pictures(values: flags.FlagValues, pictures: Sequence[str]) -> None:
    """Defines ``--data`` and ``--pictures``, for :func:`find_data`."""
    text = {"flag_values": values}
    data = os.environ.get("DIP_JAX_DATA")
    flags.DEFINE_string("data", data, "Folder of the pictures; default: DIP_JAX_DATA.", **text)
    flags.DEFINE_list("pictures", list(pictures), "Names of the pictures.", **text)


def find_data(values: flags.FlagValues, folder: str) -> Path:
    """Returns ``--data``, after checking that ``folder`` in it holds all ``--pictures``.

    Raises:
      UserError: if a picture is missing.
    """
    if not values.data:
        raise UserError("--data", None, "is required: the folder of the standard pictures")
    for name in values.pictures:
        if not (Path(values.data) / folder / f"{name}.png").exists():
            raise UserError("--pictures", name, f"is not in {Path(values.data) / folder}")
    return Path(values.data)


def round_to_8_bits(image: np.ndarray) -> np.ndarray:
    """Rounds a picture to 8 bits, as a file would; returns float32 in [0, 1]."""
    return to_uint8(image).astype(np.float32) / np.float32(255)


class Method(NamedTuple):
    """A method parsed from a name such as ``fast``, ``fast:wmv``, ``fast/256`` or ``fast*4``."""

    preset: Preset
    """Includes the stopping rule and the side of tiles, if the name has them."""
    members: int


def find_method(
    method: str, task: str, flag: str = "--methods", own: Mapping[str, Preset] = {}
) -> Method:
    """Returns the preset, stopping rule and number of members that ``method`` names.

    Args:
      method: for example ``fast``, ``fast:wmv`` (a rule), ``fast/256`` (the side of tiles) or
        ``fast*4`` (members).
      task: the preset's task.
      flag: the flag to blame in an error.
      own: the experiment's own presets by name, in addition to the application's.

    Raises:
      UserError: if the task has no such preset or rule.
    """
    match = re.fullmatch(r"(\w+)(?::(\w+))?(?:/(\d+))?(?:\*([1-9]\d*))?", method)
    if match is None:
        raise UserError(flag, method, f"is not a method; write {EXAMPLES}")
    name, stop, tile, members = match.groups()
    names = [*own, *(preset.name for preset in recipe.PRESETS)]
    if name not in names:
        raise UserError(flag, name, "is unknown; " + recipe.suggest(name, names))
    changes: dict[str, Any] = {} if stop is None else {"stop": stop}
    if tile is not None:
        changes["tile"] = int(tile)
    try:
        preset = own[name] if name in own else recipe.find_preset(name, task)
        preset = recipe.change(preset, **changes)
    except UserError as error:
        named = flag if error.name == "preset" else f"{flag} {error.name}"
        raise UserError(named, error.value, error.problem_and_mend) from error
    return Method(preset, int(members or preset.counts.members))


def run_method(
    method: Method, picture: np.ndarray, seed: int, reference: np.ndarray, **options: Any
) -> tuple[Restoration, dict[str, Any]]:
    """Restores a picture with a method; returns the result and a record for the table.

    For a single fit, the record holds the oracle's step and PSNR: the best of the run, which only
    ``reference`` reveals. For several fits, it holds the rank correlation of their standard
    deviation with the true error.
    """
    start = time.perf_counter()
    result = restore(
        picture,
        preset=method.preset,
        seed=seed * method.members,  # no two results share a member
        reference=reference,
        members=method.members,
        progress=False,
        **options,
    )
    if result.interrupted:
        raise KeyboardInterrupt  # an unfinished fit makes no row
    record = {"seconds": f"{time.perf_counter() - start:.1f}"}
    if method.members == 1:
        record |= _describe_choice(result, reference)
    if result.uncertainty is not None:
        correlation = rank_correlation(result.uncertainty, result.image, reference)
        record["rank_correlation"] = f"{correlation:.3f}"
    return result, record


def _describe_choice(result: Restoration, reference: np.ndarray) -> dict[str, Any]:
    """Describes the chosen step, measured on the running average that rules choose from."""
    if not len(result.trace["loss"]):
        return {"steps": 0}  # there was no noise, and the picture was returned unchanged
    curve = result.trace["average_psnr"]
    steps = len(curve)
    if "tile" in result.trace:
        return {"steps": steps}  # each tile has chosen for itself
    # 0: the rule has not chosen yet, and the result is the newest picture.
    chosen = int(result.trace.get("chosen", [0])[-1]) or steps
    # Read from the curve: later corrections of the picture are not part of the choice. After a
    # divergence, steps no longer index the trace, so measure the picture itself.
    diverged = bool(result.trace.get("restores", [0])[-1])
    error = np.mean((result.raw - reference) ** 2)
    chosen_psnr = -10 * np.log10(error) if diverged else curve[chosen - 1]
    return {
        "rule": result.preset.stop,
        "steps": steps,
        "limit": result.preset.counts.steps,
        "chosen": chosen,
        "chosen_psnr": f"{chosen_psnr:.3f}",
        "oracle": int(np.nanargmax(curve)) + 1,
        "oracle_psnr": f"{np.nanmax(curve):.3f}",
        "last_psnr": f"{curve[-1]:.3f}",
    }


def fill_grid(
    values: flags.FlagValues,
    name: str,
    columns: Sequence[str],
    groups: Sequence[Sequence[Any]],
    classical: Sequence[str],
    row: Callable[..., dict[str, Any]],
) -> list[Row]:
    """Computes the rows of all methods, groups and seeds; saves them in ``--out``.

    ``columns`` name a group's values, then "method" and "seed"; ``row`` gets all of them. Classical
    methods have a single seed.
    """
    keys = [
        (*group, method, seed)
        for method in values.methods
        for group in groups
        for seed in range(1 if method in classical else values.seeds)
    ]
    return fill(Path(values.out) / f"{name}_rows.csv", columns, keys, row)


def stamp() -> dict[str, str]:
    """Returns the date and the version that made a row."""
    return {"date": datetime.date.today().isoformat(), "version": dip_jax.__version__}


def format_scores(
    rows: Sequence[Row],
    methods: Sequence[str],
    score: str,
    published: Mapping[str, Mapping[str, float]],
) -> list[list[str]]:
    """Formats a line per method: score of each picture, mean score, mean seconds.

    Scores are averaged over seeds. ``published`` holds further lines by label and picture; a line
    is shown only if it has every picture.
    """
    names = list_pictures(rows)
    lines = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        scores = [average([row for row in own if row["picture"] == name], score) for name in names]
        lines.append(_format_line(method, scores, f"{average(own, 'seconds'):.0f}"))
    for label, values in published.items():
        if all(name in values for name in names):
            lines.append(_format_line(label, [values[name] for name in names], "-"))
    return lines


def _format_line(label: str, scores: Sequence[float], seconds: str) -> list[str]:
    return [label, *(f"{score:.2f}" for score in scores), f"{np.mean(scores):.2f}", seconds]


def shorten(name: str) -> str:
    """Removes from a picture's name what its whole set has in common."""
    return name.removeprefix("image_").removesuffix("rgb")


def list_pictures(rows: Sequence[Row]) -> list[str]:
    """Lists the rows' pictures in order of appearance."""
    return list(dict.fromkeys(row["picture"] for row in rows))


def average(rows: Sequence[Row], column: str) -> float:
    """Averages a column of numbers; NaN for no rows."""
    return float(np.mean([float(row[column]) for row in rows])) if rows else float("nan")


def describe_size(size: int) -> str:
    """Says how the pictures were cropped, and what the seconds include."""
    return describe_crop(size) + " Seconds include compilation unless the program was cached."


def describe_crop(size: int) -> str:
    """Says how the pictures were cropped."""
    return f"Centre crop {size}x{size}." if size else "Whole pictures."
