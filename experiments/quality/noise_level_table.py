"""The estimated noise level against the true one.

  DIP_JAX_DATA=... python -m experiments.quality.noise_level_table --backend=cpu

The pictures are the nine colour pictures of the paper's denoising table, with the noises of
``stopping_table``: Gaussian (``25``: sigma in 8-bit levels) and Poisson (``poisson5``: 5 levels
per photon), clipped to [0, 1] and rounded to 8 bits. ``dip_jax`` is the estimate of a fit without
a given level. ``scikit-image`` is its ``estimate_sigma``, which ignores clipping. The pictures
have noise of their own (Peppers most of all), so no estimate of a low level can be exact.
"""

import functools
import sys

import numpy as np
from absl import flags
from skimage.restoration import estimate_sigma

from dip_jax.app.machine import choose_device
from dip_jax.noise import NoiseModel, estimate_noise
from experiments.program import Table, define_common, parse_integers, publish, run_program
from experiments.quality.denoising_table import PICTURES, load_pair
from experiments.quality.stopping_table import parse_noises
from experiments.quality.tables import define_pictures, describe_crop, find_data, shorten

NAME = "noise_level_table"
NOISES = ("5", "15", "25", "50", "75", "poisson5", "poisson20")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    define_pictures(values, list(PICTURES))
    flags.DEFINE_list("noises", list(NOISES), "Noises, such as 25 (sigma) or poisson5.", **text)
    flags.DEFINE_list(
        "sizes", ["128", "256", "0"], "Sides of the centre crop; 0: whole picture.", **text
    )
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    noises = parse_noises(values.noises)
    sizes = parse_integers("--sizes", values.sizes, least=0)
    data = find_data(values, "set9")
    device = choose_device(values.backend)
    tables = []
    for size in sizes:
        lines = []
        for label, noise in noises.items():
            pictures = [
                load_pair(data, name, size, int(noise.level), noise.kind)[0]
                for name in values.pictures
            ]
            for method, levels in estimate_levels(noise, pictures).items():
                lines.append([label, method, *summarise(noise.level, levels)])
        names = [shorten(name) for name in values.pictures]
        columns = ["added", "estimate", *names, "mean", "error, root mean square"]
        title = f"Noise level, {size}x{size}" if size else "Noise level, whole"
        tables.append(Table(title, columns, lines, describe_crop(size)))
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def estimate_levels(noise: NoiseModel, pictures: list[np.ndarray]) -> dict[str, list[float]]:
    """Estimates the level of each noisy picture ``[h, w, c]`` by every estimator for that noise."""
    found = {"dip_jax": [estimate_noise(y, noise.kind).level for y in pictures]}
    if noise.kind == "gaussian":
        sigmas = [255 * np.mean(estimate_sigma(y, channel_axis=2)) for y in pictures]
        found["scikit-image"] = [float(sigma) for sigma in sigmas]
    return found


def summarise(level: float, levels: list[float]) -> list[str]:
    """Formats each level, their mean, and the root mean square of their relative errors."""
    error = np.sqrt(np.mean(np.square(np.asarray(levels) / level - 1)))
    return [*(f"{one:.1f}" for one in levels), f"{np.mean(levels):.1f}", f"{100 * error:.1f} %"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
