"""What the tables of restored pictures share: flags, arrays, lines of scores."""

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
from dip_jax.app import presets, settings
from dip_jax.app.errors import UserError
from dip_jax.app.fitting import restore
from dip_jax.app.pictures import to_uint8
from dip_jax.app.restoration import Restoration
from dip_jax.app.results import rank_correlation
from dip_jax.app.settings import Preset
from experiments.grid import Row, fill
from experiments.program import define_backend


def define_grid(
    values: flags.FlagValues,
    name: str,
    *,
    pictures: Sequence[str],
    methods: Sequence[str],
    others: Sequence[str],
    size: int,
) -> None:
    """Flags of a table: what it is of; ``others`` are methods that are no presets."""
    text = {"flag_values": values}
    define_pictures(values, pictures)
    known = "Presets, as fast, fast:wmv or fast*4, and " + ", ".join(others)
    flags.DEFINE_list("methods", list(methods), known + ".", **text)
    flags.DEFINE_integer("seeds", 1, "Seeds 0, 1, ... of each preset.", lower_bound=1, **text)
    flags.DEFINE_integer("size", size, "Of the centre; 0: whole.", lower_bound=0, **text)
    define_backend(values)
    flags.DEFINE_string("out", f"dip-jax-results/{name}", "Folder for the results.", **text)


def define_pictures(values: flags.FlagValues, pictures: Sequence[str]) -> None:
    """``--data`` and ``--pictures``, for :func:`data_folder`."""
    text = {"flag_values": values}
    data = os.environ.get("DIP_JAX_DATA")
    flags.DEFINE_string("data", data, "Folder of the pictures [DIP_JAX_DATA].", **text)
    flags.DEFINE_list("pictures", list(pictures), "Their names.", **text)


def data_folder(values: flags.FlagValues, folder: str) -> Path:
    """``--data``, checked to hold every one of ``--pictures`` in ``folder``.

    Raises:
      UserError: if it does not.
    """
    if not values.data:
        raise UserError("--data", None, "is needed: the folder with the standard pictures")
    for name in values.pictures:
        if not (Path(values.data) / folder / f"{name}.png").exists():
            raise UserError("--pictures", name, f"is not in {Path(values.data) / folder}")
    return Path(values.data)


def centre(picture: np.ndarray, size: int, name: str) -> np.ndarray:
    """The centre ``[size, size, c]``; the whole picture for size 0.

    Raises:
      UserError: if the picture is smaller.
    """
    height, width = picture.shape[:2]
    if size > min(height, width):
        raise UserError("--size", size, f"{name} is only {width}x{height}; take less, or 0")
    if not size:
        return picture
    top, left = (height - size) // 2, (width - size) // 2
    return picture[top : top + size, left : left + size]


def in_8_bits(image: np.ndarray) -> np.ndarray:
    """A picture as a file of 8 bits would hold it, float32 in [0, 1]."""
    return to_uint8(image).astype(np.float32) / np.float32(255)


class Method(NamedTuple):
    """What a name such as ``fast``, ``fast:wmv`` or ``fast*4`` means."""

    preset: Preset
    """With the rule, if one is named."""
    members: int


def find_method(
    method: str, task: str, flag: str = "--methods", own: Mapping[str, Preset] = {}
) -> Method:
    """The preset, rule and members that ``method`` names.

    Args:
      method: see above.
      task: which the preset must be for.
      flag: for the error.
      own: presets of the experiment's own, by name, beside the product's.

    Raises:
      UserError: if there is no such preset or rule for the task.
    """
    match = re.fullmatch(r"(\w+)(?::(\w+))?(?:\*([1-9]\d*))?", method)
    if match is None:
        raise UserError(flag, method, "is no method; write fast, fast:wmv or fast*4")
    name, stop, members = match.groups()
    names = [*own, *(preset.name for preset in presets.PRESETS)]
    if name not in names:
        raise UserError(flag, name, "is unknown; " + settings.nearest(name, names))
    preset = own[name] if name in own else presets.find_preset(name, task, flag=flag)
    changes = {} if stop is None else {"stop": stop}
    preset = settings.changed(preset, flag + " ", **changes)
    return Method(preset, int(members or preset.members))


def restored(
    method: Method, picture: np.ndarray, seed: int, reference: np.ndarray, **options: Any
) -> tuple[Restoration, dict[str, Any]]:
    """A run of a method, and what to report of it.

    Of one fit, the oracle's step and PSNR: the best of the run, which ``reference`` alone tells.
    Of several, how their deviation follows the true error.
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
        raise KeyboardInterrupt  # half a fit is no row
    record = {"seconds": f"{time.perf_counter() - start:.1f}"}
    if method.members == 1:
        record |= _choice(result, reference)
    if result.uncertainty is not None:
        correlation = rank_correlation(result.uncertainty, result.image, reference)
        record["rank_correlation"] = f"{correlation:.3f}"
    return result, record


def _choice(result: Restoration, reference: np.ndarray) -> dict[str, Any]:
    """How the run went: of the average, which is what a rule chooses from."""
    curve = result.trace["average_psnr"]
    steps = len(curve)
    # A rule that has not chosen yet (0) returns the newest picture.
    chosen = int(result.trace.get("chosen", [0])[-1]) or steps
    # As the curve has it, without the corrections that follow: they are no part of the choice.
    # After a divergence steps are no places in the trace, so of the picture itself.
    diverged = bool(result.trace.get("restores", [0])[-1])
    error = np.mean((result.raw - reference) ** 2)
    chosen_psnr = -10 * np.log10(error) if diverged else curve[chosen - 1]
    return {
        "rule": result.preset.stop,
        "steps": steps,
        "limit": result.preset.steps,
        "chosen": chosen,
        "chosen_psnr": f"{chosen_psnr:.3f}",
        "oracle": int(np.nanargmax(curve)) + 1,
        "oracle_psnr": f"{np.nanmax(curve):.3f}",
        "last_psnr": f"{curve[-1]:.3f}",
    }


def filled(
    values: flags.FlagValues,
    name: str,
    columns: Sequence[str],
    groups: Sequence[Sequence[Any]],
    classical: Sequence[str],
    row: Callable[..., dict[str, Any]],
) -> list[Row]:
    """The rows of every method, group and seed; classical methods know no seed.

    ``columns`` name a group's values, then "method" and "seed"; ``row`` gets all of them.
    """
    keys = [
        (*group, method, seed)
        for method in values.methods
        for group in groups
        for seed in range(1 if method in classical else values.seeds)
    ]
    return fill(Path(values.out) / f"{name}_rows.csv", columns, keys, row)


def stamp() -> dict[str, str]:
    """When and by which version a row was made."""
    return {"date": datetime.date.today().isoformat(), "version": dip_jax.__version__}


def score_lines(
    rows: Sequence[Row],
    methods: Sequence[str],
    score: str,
    published: Mapping[str, Mapping[str, float]],
) -> list[list[str]]:
    """A line for each method: its score of each picture, seeds averaged, mean and seconds.

    ``published`` are further lines, by label and picture; shown if they have every picture.
    """
    names = pictures_of(rows)
    lines = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        scores = [mean([row for row in own if row["picture"] == name], score) for name in names]
        lines.append(_line(method, scores, f"{mean(own, 'seconds'):.0f}"))
    for label, values in published.items():
        if all(name in values for name in names):
            lines.append(_line(label, [values[name] for name in names], "-"))
    return lines


def _line(label: str, scores: Sequence[float], seconds: str) -> list[str]:
    return [label, *(f"{score:.2f}" for score in scores), f"{np.mean(scores):.2f}", seconds]


def short(name: str) -> str:
    """A picture's name without what all of its set have in common."""
    return name.removeprefix("image_").removesuffix("rgb")


def pictures_of(rows: Sequence[Row]) -> list[str]:
    """Their names, in order."""
    return list(dict.fromkeys(row["picture"] for row in rows))


def mean(rows: Sequence[Row], column: str) -> float:
    """Of a column of numbers; NaN of no rows."""
    return float(np.mean([float(row[column]) for row in rows])) if rows else float("nan")


def size_note(size: int) -> str:
    """How the pictures were cut, and what the seconds hold."""
    return cut_note(size) + " Seconds include compiling, where a program was not in the cache."


def cut_note(size: int) -> str:
    """How the pictures were cut."""
    return f"Centre {size}x{size}." if size else "Whole pictures."
