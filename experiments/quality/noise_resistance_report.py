"""Tables, plots and files of the learning curves of :mod:`experiments.quality.noise_resistance`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dip_jax.app import UserError
from dip_jax.app.files import comparison, replacing

NAME = "noise_resistance"
LABELS = {
    "natural": "natural picture",
    "noisy": "picture + noise",
    "shuffled": "pixels shuffled",
    "noise": "noise, uniform on [0, 1]",
}
GOAL = 20  # PSNR in dB against the fit's own target

Curve = dict[str, np.ndarray]
"""``loss [steps + 1]``, the mean squared error after 0, 1, ... steps; ``fit [h, w, c]``."""
Curves = dict[tuple[str, int], Curve]
"""Curves by target and seed."""


def format_table(curves: Curves, targets: dict[str, np.ndarray]) -> str:
    """Formats as Markdown: losses along the way (mean over seeds), and the steps to GOAL dB."""
    steps = _stack_losses(curves, "natural").shape[1] - 1
    marks = [round(steps * part) for part in (0.1, 0.25, 0.5, 1)]
    cells = [f"loss after {mark}" for mark in marks]
    rows = [["target", "best flat colour", *cells, f"steps to {GOAL} dB"]]
    for name, target in targets.items():
        losses = [f"{v:.4f}" for v in _stack_losses(curves, name).mean(axis=0)[marks]]
        flat = f"{target.var(axis=(0, 1)).mean():.4f}"
        rows.append([LABELS[name], flat, *losses, _format_goal_step(curves, name)])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def format_statement(curves: Curves, targets: dict[str, np.ndarray]) -> str:
    """Puts in words the ranking of the targets and how much added noise the fit left out."""
    final = {name: _stack_losses(curves, name)[:, -1].mean() for name in LABELS}
    order = sorted(final, key=final.__getitem__)
    ranks = " < ".join(f"{LABELS[name]} {final[name]:.4f}" for name in order)
    noisy, clean = targets["noisy"], targets["natural"]
    error = np.mean((curves["noisy", 0]["fit"] - clean) ** 2)
    added = np.mean((noisy - clean) ** 2)
    return (
        f"Loss at the end, lowest first: {ranks}.\nThe fit to picture + noise (seed 0) "
        f"is {-10 * np.log10(error):.1f} dB from the clean picture; its own target is "
        f"{-10 * np.log10(added):.1f} dB from it."
    )


def _stack_losses(curves: Curves, name: str) -> np.ndarray:
    """Stacks the losses of a target, ``[seeds, steps + 1]``."""
    return np.stack([curve["loss"] for (own, _), curve in curves.items() if own == name])


def _format_goal_step(curves: Curves, name: str) -> str:
    """Formats the steps until the loss first reaches GOAL dB: the median over seeds."""
    met = _stack_losses(curves, name) <= 10 ** (-GOAL / 10)
    steps = np.where(met.any(axis=1), met.argmax(axis=1), np.inf)
    median = np.median(steps)
    return f"{median:.0f}" if np.isfinite(median) else f"not in {met.shape[1] - 1}"


def write_report(folder: Path, title: str, curves: Curves, targets: dict[str, np.ndarray]) -> None:
    """Writes the CSV, the plot and a sheet of targets and fits to ``folder``."""
    last = len(curves["natural", 0]["loss"]) - 1
    # Log-spaced like the plot, to keep the file small.
    kept = {0, *np.rint(np.geomspace(1, last, 400)).astype(int).tolist()}
    with (
        replacing(folder / f"{NAME}.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["target", "seed", "step", "loss", "psnr"])
        for (name, seed), curve in curves.items():
            for step in sorted(kept):
                loss = curve["loss"][step]
                psnr = -10 * np.log10(max(loss, 1e-12))
                writer.writerow([name, seed, step, f"{loss:.6g}", f"{psnr:.3f}"])
    with replacing(folder / f"{NAME}.png") as partial:
        _plot_curves(title, curves).savefig(partial, dpi=110)
    rows = (
        [(LABELS[name], picture) for name, picture in targets.items()],
        [(f"fit, loss {curves[n, 0]['loss'][-1]:.4f}", curves[n, 0]["fit"]) for n in targets],
    )
    # JPEG: noise does not compress as PNG.
    with replacing(folder / f"{NAME}_fits.jpg") as partial:
        sheets = [comparison(row) for row in rows]
        Image.fromarray(np.concatenate(sheets)).save(partial, quality=50)
    for name in (f"{NAME}.csv", f"{NAME}.png", f"{NAME}_fits.jpg"):
        print(f"  {folder / name}")


def make_figure() -> Any:
    """Makes an empty matplotlib figure.

    Raises:
      UserError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            "matplotlib", "absent", "the plot needs it; run pip install '.[plot]'"
        ) from error
    return Figure(figsize=(7.5, 4.6), layout="constrained")


def _plot_curves(title: str, curves: Curves) -> Any:
    """Plots loss against step on logarithmic axes; the band is the range over seeds."""
    figure = make_figure()
    axes = figure.add_subplot(xscale="log", yscale="log")
    for name, label in LABELS.items():
        losses = _stack_losses(curves, name)[:, 1:]
        steps = np.arange(1, losses.shape[1] + 1)
        (line,) = axes.plot(steps, losses.mean(axis=0), label=label)
        if len(losses) > 1:
            axes.fill_between(
                steps, losses.min(0), losses.max(0), alpha=0.2, lw=0, color=line.get_color()
            )
    seeds = max(seed for _, seed in curves) + 1
    axes.set_title(title + (f", mean of {seeds} seeds" if seeds > 1 else ""), fontsize=11)
    axes.set_xlabel("steps of Adam")
    axes.set_ylabel("mean squared error to its own target")
    axes.grid(which="both", alpha=0.25)
    axes.legend()
    return figure
