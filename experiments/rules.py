"""What stopping rules lost, told from the rows of fits that :mod:`experiments.tables` makes.

The loss is told in two ways, since a rule costs in two. Against the best step of its own run: the
choice was not the best of what there was. Against the best step of a run of the same method
and seed *without* a rule, to the last step: data were held out, or the run ended too early.
Both best steps are an oracle's, told by the clean picture, which no rule sees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.grid import Row
from experiments.program import Table
from experiments.tables import short

# Columns: see `losses`.
LOST = (
    "lost by the choice, dB",
    "worst",
    "lost against a run without a rule, dB",
    "worst of these",
)
PAST = "steps past the choice"
_NAN = float("nan")


class Fit(NamedTuple):
    """How a run with a rule, or without one, compares."""

    row: Row
    own: float
    """dB that the picture chosen lost against the best step of its own run."""
    full: float
    """Against the best step of the run without a rule; NaN where that is not among the rows."""
    best: float
    """That step; or NaN."""
    past: float
    """Share of the steps that came after the chosen one."""
    ended: float
    """1 if it ended before its last step, 0 if not; NaN if the row does not tell."""


def fits(rows: Sequence[Row], key: Sequence[str]) -> list[Fit]:
    """Of all rows of single fits; ``key`` names the columns that tell rows apart."""
    place = [name for name in key if name != "method"]

    def run(row: Row) -> tuple[str, ...]:
        return (row["method"].split(":")[0], *(row[name] for name in place))

    rows = [row for row in rows if row.get("chosen")]  # else classical, or a mean of several
    without = {run(row): row for row in rows if row["rule"] == "none"}
    found = []
    for row in rows:
        full, steps = without.get(run(row)), int(row["steps"])
        chosen = float(row["chosen_psnr"])
        found.append(
            Fit(
                row,
                own=float(row["oracle_psnr"]) - chosen,
                full=float(full["oracle_psnr"]) - chosen if full else _NAN,
                best=float(full["oracle"]) if full else _NAN,
                past=1 - int(row["chosen"]) / steps,
                # Rows of older versions lack the limit.
                ended=float(steps < int(row["limit"])) if row.get("limit") else _NAN,
            )
        )
    return found


def grouped(all_fits: Sequence[Fit], columns: Sequence[str]) -> dict[tuple[str, ...], list[Fit]]:
    """The fits by their rows' values of ``columns``, in order of appearance."""
    groups: dict[tuple[str, ...], list[Fit]] = {}
    for fit in all_fits:
        groups.setdefault(tuple(fit.row[name] for name in columns), []).append(fit)
    return groups


def stopping(rows: Sequence[Row], key: Sequence[str], noise: str) -> Table:
    """What each rule lost, by method and the column ``noise``."""
    lines = []
    for group, own in grouped(fits(rows, key), (noise, "method", "rule")).items():
        last = [float(fit.row["oracle_psnr"]) - float(fit.row["last_psnr"]) for fit in own]
        lines.append(
            [
                *(*group, len(own), *losses(own), _mean(last, 3)),
                _mean([float(fit.row["steps"]) for fit in own], 0),
                _mean([float(fit.row["oracle"]) for fit in own], 0),
                _mean([fit.best for fit in own], 0),
                percent(np.mean([fit.past for fit in own])),
                share_ended(own),
            ]
        )
    columns = [noise, "method", "rule", "fits", *LOST, "lost by the last step, dB", "steps"]
    columns += ["best step", "best step without a rule", PAST, "ended by itself"]
    return Table("Stopping against the best step", columns, lines)


def losses(own: Sequence[Fit], *also: str) -> list[str]:
    """In both ways, the mean and the worst, with its picture and the row's values of ``also``."""
    cells = []
    for name in ("own", "full"):
        known = [fit for fit in own if not np.isnan(getattr(fit, name))]
        values = [getattr(fit, name) for fit in known]
        if known:
            row = known[int(np.argmax(values))].row
            where = ", ".join([short(row["picture"]), *(row[column] for column in also)])
            cells += [_mean(values, 3), f"{max(values):.3f} ({where})"]
        else:
            cells += ["-", "-"]
    return cells


def share_ended(own: Sequence[Fit]) -> str:
    """How many ended by themselves, of how many."""
    known = [fit.ended for fit in own if not np.isnan(fit.ended)]
    return f"{sum(known):.0f}/{len(known)}" if known else "-"


def percent(share: float | np.floating) -> str:
    """A share in whole percent."""
    return f"{100 * share:.0f} %"


def _mean(values: Sequence[float], digits: int) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"{np.mean(known):.{digits}f}" if known else "-"
