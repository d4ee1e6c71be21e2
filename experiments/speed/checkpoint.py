"""The cost of checkpoints.

  python -m experiments.speed.checkpoint --rounds=3

Restores a synthetic picture as the default command does, in turn without checkpoints and with a
checkpoint after every chunk, waiting for each save. This is an upper bound: a real run saves
every 30 s, in a thread. The cost of one save is the difference in time over the number of saves.
"""

import functools
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from dip_jax.app import restore
from dip_jax.app.files import Checkpoint
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe import Preset, change
from experiments.program import Table, define_common, publish, run_program
from experiments.speed.subject import find_denoising_preset

NAME = "checkpoint"
APART = 30  # seconds between saves in dip-jax
TARGET = 0.02


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("presets", ["fast", "paper"], "Presets for denoising.", **text)
    flags.DEFINE_integer("size", 256, "Height and width.", lower_bound=32, **text)
    flags.DEFINE_integer("steps", 50, "Steps of each fit.", lower_bound=2, **text)
    flags.DEFINE_integer("every", 5, "Steps between saves.", lower_bound=1, **text)
    flags.DEFINE_integer("rounds", 3, "Fits of each kind.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    presets = [find_denoising_preset(name, "--presets") for name in values.presets]
    device = choose_device(values.backend)
    rows = []
    for named in presets:
        preset = change(named, stop="none", steps=values.steps, chunk_steps=values.every, members=1)
        rows.append([preset.name, *make_row(measure(preset, values.size, values.rounds))])
    columns = [
        "preset",
        "saves",
        "MB each",
        "fit without, s",
        "fit with, s",
        "a save, s",
        f"share of a run with one every {APART} s",
    ]
    note = (
        f"Medians of {values.rounds} fits of {values.steps} steps, {values.size}x{values.size}, "
        f"of the fits' own seconds. Target: a share under {TARGET:.0%}."
    )
    table = Table("Checkpoints", columns, rows, note)
    publish([table], f"experiments.speed.{NAME}", argv, device, values.out)


def measure(preset: Preset, size: int, rounds: int) -> tuple[int, int, list[tuple[float, float]]]:
    """Returns the number of saves, the bytes of one, and seconds of fits without and with saves."""
    picture = np.random.default_rng(0).random((size, size, 3), np.float32)
    pairs = []
    saves = largest = 0
    for number in range(rounds + 1):  # the first compiles
        without = restore(picture, preset=preset, sigma=25, progress=False).fit_seconds
        with tempfile.TemporaryDirectory(prefix="dip_jax-checkpoint-") as folder:
            with Checkpoint(Path(folder), {}, seconds=0) as checkpoint:
                kept = restore(
                    picture, preset=preset, sigma=25, progress=False, checkpoint=checkpoint
                )
            numbers = [path for path in Path(folder).glob(".checkpoint/*") if path.is_dir()]
            saves = max(int(path.name) for path in numbers)
            largest = max(map(_count_bytes, numbers))
        if number:
            pairs.append((without, kept.fit_seconds))
    return saves, largest, pairs


def make_row(measured: tuple[int, int, list[tuple[float, float]]]) -> list[str]:
    """Formats the table's cells, without the preset's name."""
    saves, size, pairs = measured
    without, kept = np.median(pairs, axis=0)
    cost = (kept - without) / saves
    share = cost / APART
    return [
        str(saves),
        f"{size / 1e6:.1f}",
        f"{without:.2f}",
        f"{kept:.2f}",
        f"{cost:.3f}",
        f"{share:.2%}",
    ]


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
