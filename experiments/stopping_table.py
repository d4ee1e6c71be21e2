"""Automatic stopping against the best step by oracle: what each rule loses, and when it ends.

  DIP_JAX_DATA=... python -m experiments.stopping_table --methods=plain:held_out,plain:wmv

The nine colour pictures of the paper's table of denoising, with Gaussian noise (``25``: sigma in
8-bit levels; the arrays of experiments.denoising_table) and Poisson noise (``poisson5``: each
photon makes 5 levels). All are clipped to [0, 1] and rounded to 8 bits, as files are; rounding
changes nothing in Poisson noise of whole levels. ``plain:r2r`` leaves clipped values out of its
comparison, ``fast:r2r`` draws them anew. Kind and level are told to every method; with
``--notold`` the level is left to be estimated, as for a picture of which nothing is known.
``--size`` cuts the centre, 0 takes the whole.

A method is a preset and a rule (``fast:held_out``). ``plain`` is the paper's method and settings
(constant learning rate, jitter, average of the outputs) on the network of ``fast``: it learns
the noise in the end, so that stopping matters most. ``fast`` itself is fitted from one noisy
version to another with a falling learning rate, and overfits in strong noise.

What a rule lost is told against the best step of its own run, and against the best step of a run
of the same method and seed without a rule, which is always done too: data held out and an end
too early both cost. Only the clean picture tells the best step; it takes no part in the fit, its
end or its choice. A best step without a rule near the last one means: more --plain_steps.

Rows are kept in --out as they are done; the same command goes on where it was.
"""

import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app.device import choose_device
from dip_jax.app.errors import UserError
from dip_jax.app.noise import LEVELS, Noise
from dip_jax.app.presets import find_preset
from dip_jax.app.results import psnr_8_bit
from dip_jax.app.settings import Preset
from experiments.denoising_table import PICTURES, noisy_and_clean
from experiments.grid import Row, fill
from experiments.program import Table, publish, run_program
from experiments.rules import LOST, PAST, fits, grouped, losses, percent, share_ended, stopping
from experiments.tables import (
    Method,
    cut_note,
    data_folder,
    define_grid,
    find_method,
    restored,
    stamp,
)

NAME = "stopping_table"
METHODS = ("plain:held_out", "plain:r2r", "plain:wmv", "plain:emv", "fast:held_out", "fast:r2r")
NOISES = ("15", "25", "50", "poisson5")
KEY = ("picture", "size", "noise", "limit", "method", "seed")
# By the product: dB lost in the mean and at worst, taken in both ways, and share of the steps.
PROMISED = (0.10, 0.30, 0.10, 0.30, 0.25)


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    define_grid(values, NAME, pictures=PICTURES, methods=METHODS, others=("plain",), size=128)
    text = {"flag_values": values}
    flags.DEFINE_list("noises", list(NOISES), "As 25 (sigma) or poisson5.", **text)
    flags.DEFINE_boolean("told", True, "Tell the noise's level; else it is estimated.", **text)
    flags.DEFINE_integer("plain_steps", 3000, "Steps of plain, at most.", lower_bound=1, **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    noises = parse_noises(values.noises, told=values.told)
    methods = find_methods(values.methods, values.plain_steps)
    data = data_folder(values, "set9")
    device = choose_device(values.backend)
    # All of a picture before the next: whatever is done so far can be compared.
    keys = [
        (name, values.size, noise, method.preset.steps, label, seed)
        for seed in range(values.seeds)
        for name in values.pictures
        for noise in noises
        for label, method in methods.items()
    ]

    compute = functools.partial(_row, data, noises, values.told, methods)
    rows = fill(Path(values.out) / f"{NAME}_rows.csv", KEY, keys, compute)
    table = stopping(rows, KEY, "noise")._replace(note=cut_note(values.size))
    publish([table, targets(rows)], f"experiments.{NAME}", argv, device, values.out)


def _row(
    data: Path,
    noises: Mapping[str, Noise],
    told: bool,
    methods: Mapping[str, Method],
    name: str,
    size: int,
    noise: str,
    _limit: int,
    label: str,
    seed: int,
) -> dict[str, Any]:
    kind, level, _ = noises[noise]
    noisy, clean = noisy_and_clean(data, name, size, int(level), kind)
    options: dict[str, Any] = {"noise": kind} | ({LEVELS[kind]: level} if told else {})
    result, record = restored(methods[label], noisy, seed, clean, **options)
    return {"psnr": f"{psnr_8_bit(result.image, clean):.3f}", **record, **stamp()}


def parse_noises(texts: Sequence[str], *, told: bool = True) -> dict[str, Noise]:
    """The noises that a flag's words mean, each once, by a name that says if they are told.

    Raises:
      UserError: for a word that means none.
    """
    found = {}
    for text in texts or [""]:
        match = re.fullmatch(r"(poisson)?0*([1-9]\d*)", text.strip())
        if match is None or int(match[2]) > 255:
            problem = "is no noise up to 255; write 25 (sigma), or poisson5 (levels a photon)"
            raise UserError("--noises", text, problem)
        kind, level = match.groups()
        name = f"{kind or ''}{level}" + ("" if told else ", estimated")
        found[name] = Noise(kind or "gaussian", int(level))
    return found


def plain(steps: int) -> Preset:
    """The paper's method on the network of ``fast``: the rule alone keeps it from the noise."""
    paper, fast = (find_preset(name, "denoise") for name in ("paper", "fast"))
    return paper._replace(name="plain", steps=steps, stop="auto", options=fast.options)


def find_methods(labels: Sequence[str], plain_steps: int) -> dict[str, Method]:
    """The methods by name, each after the same without a rule.

    Raises:
      UserError: for one that does not exist, or is a mean of several fits.
    """
    own = {"plain": plain(plain_steps)}
    found = {}
    for label in labels or [""]:
        method = find_method(label, "denoise", own=own)
        if method.members > 1:
            problem = "is a mean of fits, and rules are judged by one; drop *, or take --seeds"
            raise UserError("--methods", label, problem)
        if method.preset.stop != "none":
            without = label.split(":")[0] + ":none"
            found[without] = find_method(without, "denoise", own=own)
        found[label] = method
    return found


def targets(rows: Sequence[Row]) -> Table:
    """Each rule over all noises, beside what the product promises."""
    measures = [*LOST, PAST]
    lines = [["promised", *"--", *PROMISED[:-1], percent(PROMISED[-1]), *"---"]]
    for group, own in grouped(fits(rows, KEY), ("method", "rule")).items():
        lost, full, past = ([getattr(fit, name) for fit in own] for name in ("own", "full", "past"))
        reached = (np.mean(lost), max(lost), np.mean(full), max(full), np.mean(past))
        compared = zip(measures, reached, PROMISED, strict=True)
        missed = [name for name, value, bound in compared if value > bound]
        lines.append(
            [
                *(*group, len(own)),
                *losses(own, "noise"),
                *(percent(np.mean(past)), percent(max(past))),
                *(share_ended(own), ", ".join(missed) or "nothing"),
            ]
        )
    columns = ["method", "rule", "fits", *measures, "at most", "ended by itself", "missed"]
    return Table("All noises", columns, lines, "The promise on steps is taken to mean their mean.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
