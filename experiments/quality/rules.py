"""The loss of each stopping rule, computed from the rows of its fits.

The loss is measured in two ways:

* against the best step of the rule's own run: the rule chose the wrong step;
* against the best step of a run of the same method and seed *without* a rule: the rule held data
  out, or ended the run too early.

Both best steps are oracles: they need the clean picture, which no rule sees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.program import Table
from experiments.quality.grid import Row
from experiments.quality.tables import shorten

# Columns of `format_losses`.
LOST = (
    "lost by the choice, dB",
    "worst",
    "lost against a run without a rule, dB",
    "worst of these",
)
PAST = "steps past the choice"
_NAN = float("nan")


class Fit(NamedTuple):
    """A fit and what its stopping rule lost."""

    row: Row
    own: float
    """Loss in dB of the chosen picture against the best step of its own run."""
    full: float
    """Loss in dB against the best step of the run without a rule; NaN without such a row."""
    best: float
    """The best step of the run without a rule, or NaN."""
    past: float
    """Share of the steps after the chosen one."""
    ended: float
    """1 if the run ended before its step limit, 0 if not; NaN if the row lacks the limit."""


def compare_fits(rows: Sequence[Row], key: Sequence[str]) -> list[Fit]:
    """Computes the losses of all single fits; ``key`` names the columns that identify a row."""
    place = [name for name in key if name != "method"]

    def run(row: Row) -> tuple[str, ...]:
        return (row["method"].split(":")[0], *(row[name] for name in place))

    rows = [row for row in rows if row.get("chosen")]  # else classical, or a mean of fits
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


def group_fits(all_fits: Sequence[Fit], columns: Sequence[str]) -> dict[tuple[str, ...], list[Fit]]:
    """Groups the fits by their rows' values of ``columns``, in order of appearance."""
    groups: dict[tuple[str, ...], list[Fit]] = {}
    for fit in all_fits:
        groups.setdefault(tuple(fit.row[name] for name in columns), []).append(fit)
    return groups


def tabulate_stopping(rows: Sequence[Row], key: Sequence[str], noise: str) -> Table:
    """Tabulates the loss of each rule, by method and by the column ``noise``."""
    lines = []
    for group, own in group_fits(compare_fits(rows, key), (noise, "method", "rule")).items():
        last = [float(fit.row["oracle_psnr"]) - float(fit.row["last_psnr"]) for fit in own]
        lines.append(
            [
                *(*group, len(own), *format_losses(own), _format_mean(last, 3)),
                _format_mean([float(fit.row["steps"]) for fit in own], 0),
                _format_mean([float(fit.row["oracle"]) for fit in own], 0),
                _format_mean([fit.best for fit in own], 0),
                format_percent(np.mean([fit.past for fit in own])),
                count_ended(own),
            ]
        )
    columns = [noise, "method", "rule", "fits", *LOST, "lost by the last step, dB", "steps"]
    columns += ["best step", "best step without a rule", PAST, "ended by itself"]
    return Table("Stopping against the best step", columns, lines)


def format_losses(own: Sequence[Fit], *also: str) -> list[str]:
    """Formats the mean and the worst loss, in both ways.

    The worst names its picture, and its row's values of the columns ``also``.
    """
    cells = []
    for name in ("own", "full"):
        known = [fit for fit in own if not np.isnan(getattr(fit, name))]
        values = [getattr(fit, name) for fit in known]
        if known:
            row = known[int(np.argmax(values))].row
            where = ", ".join([shorten(row["picture"]), *(row[column] for column in also)])
            cells += [_format_mean(values, 3), f"{max(values):.3f} ({where})"]
        else:
            cells += ["-", "-"]
    return cells


def count_ended(own: Sequence[Fit]) -> str:
    """Formats how many fits a rule ended, out of how many."""
    known = [fit.ended for fit in own if not np.isnan(fit.ended)]
    return f"{sum(known):.0f}/{len(known)}" if known else "-"


def format_percent(share: float | np.floating) -> str:
    """Formats a share in whole percent."""
    return f"{100 * share:.0f} %"


def _format_mean(values: Sequence[float], digits: int) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"{np.mean(known):.{digits}f}" if known else "-"
