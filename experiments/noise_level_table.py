"""The noise level as it is estimated, against the one that was added.

  DIP_JAX_DATA=... python -m experiments.noise_level_table --backend=cpu

The nine colour pictures of the paper's table of denoising, with the noises of
experiments.stopping_table: Gaussian (``25``: sigma in 8-bit levels) and Poisson (``poisson5``:
each photon makes 5 levels), clipped to [0, 1] and rounded to 8 bits. ``dip_jax`` is what a fit
takes that is told no level; ``scikit-image`` is its ``estimate_sigma``, which knows of no
clipping. The pictures have noise of their own (Peppers more than most): where little was added,
no estimate can be the level that was.
"""

import functools
import sys

import numpy as np
from absl import flags
from skimage.restoration import estimate_sigma

from dip_jax.app.device import choose_device
from dip_jax.app.noise import Noise, estimate_noise
from experiments.denoising_table import PICTURES, noisy_and_clean
from experiments.program import Table, define_common, integers, publish, run_program
from experiments.stopping_table import parse_noises
from experiments.tables import cut_note, data_folder, define_pictures, short

NAME = "noise_level_table"
NOISES = ("5", "15", "25", "50", "75", "poisson5", "poisson20")


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    define_pictures(values, list(PICTURES))
    flags.DEFINE_list("noises", list(NOISES), "As 25 (sigma) or poisson5.", **text)
    flags.DEFINE_list("sizes", ["128", "256", "0"], "Of the centre; 0: whole.", **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    noises = parse_noises(values.noises)
    sizes = integers("--sizes", values.sizes, least=0)
    data = data_folder(values, "set9")
    device = choose_device(values.backend)
    tables = []
    for size in sizes:
        lines = []
        for label, noise in noises.items():
            pictures = [
                noisy_and_clean(data, name, size, int(noise.level), noise.kind)[0]
                for name in values.pictures
            ]
            for method, levels in estimates(noise, pictures).items():
                lines.append([label, method, *summary(noise.level, levels)])
        names = [short(name) for name in values.pictures]
        columns = ["added", "estimate", *names, "mean", "error, root mean square"]
        title = f"Noise level, {size}x{size}" if size else "Noise level, whole"
        tables.append(Table(title, columns, lines, cut_note(size)))
    publish(tables, f"experiments.{NAME}", argv, device, values.out)


def estimates(noise: Noise, pictures: list[np.ndarray]) -> dict[str, list[float]]:
    """The level of each noisy picture (H, W, C), by whoever knows of such a noise."""
    found = {"dip_jax": [estimate_noise(y, noise.kind).level for y in pictures]}
    if noise.kind == "gaussian":
        sigmas = [255 * np.mean(estimate_sigma(y, channel_axis=2)) for y in pictures]
        found["scikit-image"] = [float(sigma) for sigma in sigmas]
    return found


def summary(level: float, levels: list[float]) -> list[str]:
    """Each level, their mean, and the root mean square of their errors."""
    error = np.sqrt(np.mean(np.square(np.asarray(levels) / level - 1)))
    return [*(f"{one:.1f}" for one in levels), f"{np.mean(levels):.1f}", f"{100 * error:.1f} %"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
