"""Automatic stopping against the best step: what each rule loses, and when it ends a run.

  DIP_JAX_DATA=... python -m experiments.quality.stopping_table --methods=plain:held_out,plain:wmv

The pictures are the nine colour pictures of the paper's denoising table, with Gaussian noise
(``25``: sigma in 8-bit levels, the arrays of ``denoising_table``) and Poisson noise
(``poisson5``: 5 levels per photon). All are clipped to [0, 1] and rounded to 8 bits, as files
are; rounding does not change Poisson noise of whole levels. ``plain:r2r`` leaves clipped values
out of its comparison; ``fast:r2r`` redraws them. Every method knows the kind and the level of
the noise; with ``--estimate`` it estimates the level. ``--size`` crops the centre; 0 takes the
whole picture.

A method is a preset with a rule (``fast:held_out``). ``plain`` is the paper's method and settings
(constant learning rate, jitter, average of the outputs) on the network of ``fast``. It learns the
noise in the end, so stopping matters most there. ``fast`` itself fits one noisy version of the
picture from another with a falling learning rate, and overfits in strong noise.

A rule's loss is measured against the best step of its own run, and against the best step of a run
of the same method and seed without a rule. The table always runs the latter too: held-out data
and an early end both cost. Only the clean picture reveals the best step; it plays no part in the
fit, its end or its choice. If the best step without a rule is close to the last one, raise
--plain_steps.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe import Preset, change, find_preset
from dip_jax.metrics import psnr_8_bit
from dip_jax.noise import LEVELS, NoiseModel
from experiments.program import Table, publish, run_program
from experiments.quality.denoising_table import PICTURES, load_pair
from experiments.quality.grid import Row, fill
from experiments.quality.rules import (
    LOST,
    PAST,
    compare_fits,
    count_ended,
    format_losses,
    format_percent,
    group_fits,
    tabulate_stopping,
)
from experiments.quality.tables import (
    Method,
    define_grid,
    describe_crop,
    find_data,
    find_method,
    run_method,
    stamp,
)

NAME = "stopping_table"
METHODS = ("plain:held_out", "plain:r2r", "plain:wmv", "plain:emv", "fast:held_out", "fast:r2r")
NOISES = ("15", "25", "50", "poisson5")
KEY = ("picture", "size", "noise", "limit", "method", "seed")
# The targets: mean and worst loss in dB, in both ways, and share of steps past the choice.
TARGETS = (0.10, 0.30, 0.10, 0.30, 0.25)


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    define_grid(values, NAME, pictures=PICTURES, methods=METHODS, others=("plain",), size=128)
    text = {"flag_values": values}
    flags.DEFINE_list("noises", list(NOISES), "Noises, such as 25 (sigma) or poisson5.", **text)
    flags.DEFINE_boolean("estimate", False, "Estimate the noise level.", **text)
    flags.DEFINE_integer("plain_steps", 3000, "Step limit of plain.", lower_bound=1, **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    noises = parse_noises(values.noises, estimated=values.estimate)
    methods = find_methods(values.methods, values.plain_steps)
    data = find_data(values, "set9")
    device = choose_device(values.backend)
    # Finish one picture before the next, so that an unfinished table can be compared.
    keys = [
        (name, values.size, noise, method.preset.counts.steps, label, seed)
        for seed in range(values.seeds)
        for name in values.pictures
        for noise in noises
        for label, method in methods.items()
    ]

    compute = functools.partial(_compute_row, data, noises, values.estimate, methods)
    rows = fill(Path(values.out) / f"{NAME}_rows.csv", KEY, keys, compute)
    table = tabulate_stopping(rows, KEY, "noise")._replace(note=describe_crop(values.size))
    publish(
        [table, tabulate_targets(rows)], f"experiments.quality.{NAME}", argv, device, values.out
    )


def _compute_row(
    data: Path,
    noises: Mapping[str, NoiseModel],
    estimated: bool,
    methods: Mapping[str, Method],
    name: str,
    size: int,
    noise: str,
    _limit: int,
    label: str,
    seed: int,
) -> dict[str, Any]:
    kind, level, *_ = noises[noise]
    noisy, clean = load_pair(data, name, size, int(level), kind)
    options: dict[str, Any] = {"noise": kind} | ({} if estimated else {LEVELS[kind]: level})
    result, record = run_method(methods[label], noisy, seed, clean, **options)
    return {"psnr": f"{psnr_8_bit(result.image, clean):.3f}", **record, **stamp()}


def parse_noises(texts: Sequence[str], *, estimated: bool = False) -> dict[str, NoiseModel]:
    """Parses a flag's noises, each once, keyed by a name that says if the level is estimated.

    Raises:
      UserError: if a word is not a noise.
    """
    found = {}
    for text in texts or [""]:
        match = re.fullmatch(r"(poisson)?0*([1-9]\d*)", text.strip())
        if match is None or int(match[2]) > 255:
            problem = "is not a noise up to 255; write 25 (sigma) or poisson5 (levels per photon)"
            raise UserError("--noises", text, problem)
        kind, level = match.groups()
        name = f"{kind or ''}{level}" + (", estimated" if estimated else "")
        found[name] = NoiseModel(kind or "gaussian", int(level))
    return found


def make_plain_preset(steps: int) -> Preset:
    """Makes the paper's method on the network of ``fast``: only a rule stops it."""
    paper, fast = (find_preset(name, "denoise") for name in ("paper", "fast"))
    return change(
        paper.replace(name="plain"), steps=steps, stop="auto", options=fast.network.options
    )


def find_methods(labels: Sequence[str], plain_steps: int) -> dict[str, Method]:
    """Finds the methods by name, each preceded by the same method without a rule.

    Raises:
      UserError: if a method does not exist, or is a mean of several fits.
    """
    own = {"plain": make_plain_preset(plain_steps)}
    found = {}
    for label in labels or [""]:
        method = find_method(label, "denoise", own=own)
        if method.members > 1:
            problem = (
                "is a mean of fits, but a rule is judged on a single fit; drop *, or use --seeds"
            )
            raise UserError("--methods", label, problem)
        if method.preset.stop != "none":
            without = label.split(":")[0] + ":none"
            found[without] = find_method(without, "denoise", own=own)
        found[label] = method
    return found


def tabulate_targets(rows: Sequence[Row]) -> Table:
    """Tabulates each rule over all noises, next to the project's targets."""
    measures = [*LOST, PAST]
    lines = [["target", *"--", *TARGETS[:-1], format_percent(TARGETS[-1]), *"---"]]
    for group, own in group_fits(compare_fits(rows, KEY), ("method", "rule")).items():
        lost, full, past = ([getattr(fit, name) for fit in own] for name in ("own", "full", "past"))
        reached = (np.mean(lost), max(lost), np.mean(full), max(full), np.mean(past))
        compared = zip(measures, reached, TARGETS, strict=True)
        missed = [name for name, value, bound in compared if value > bound]
        lines.append(
            [
                *(*group, len(own)),
                *format_losses(own, "noise"),
                *(format_percent(np.mean(past)), format_percent(max(past))),
                *(count_ended(own), ", ".join(missed) or "nothing"),
            ]
        )
    columns = ["method", "rule", "fits", *measures, "at most", "ended by itself", "missed"]
    return Table(
        "All noises", columns, lines, "The target for steps past the choice applies to their mean."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
