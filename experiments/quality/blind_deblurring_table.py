"""Deblurring with a kernel that is found from the picture: similarity of the kernels, and PSNR.

  python -m experiments.quality.blind_deblurring_table --methods=richardson_lucy_30,fast

Kernels are camera shakes: paths of a point with random accelerations, from the seeds
``--first_seed`` and up, of the sizes of Levin et al. (CVPR 2009). Pictures are those of
``deblurring_table``, blurred, cropped and made noisy as there.

- The first table has the largest normalised correlation of the found kernel and the true one, over
  all shifts.
- The others have PSNR. A kernel and a picture may be shifted against each other, which no blind
  method can know; so, as is usual, each picture is scored at the shift by whole pixels, 8 at
  most, that fits the truth best, without a border of 8 pixels. The blurred picture is scored alike.
- ``richardson_lucy_30`` and presets such as ``fast`` get the found kernel. ``true_fast`` is
  ``fast`` with the true kernel: an upper limit.

Truth is only used for scores. ``estimate_kernel`` was tuned on camera/2 and astronaut/2 with the
seeds 0 to 7; coins and coffee/2, and other seeds, were not seen. Rows are saved in --out as they
are done; the same command resumes.
"""

import functools
import sys
import time
from typing import Any

import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import UserError, restore
from dip_jax.app.machine import choose_device
from dip_jax.damage import add_noise, blur
from experiments.pictures import crop_centre
from experiments.program import Table, publish, require, run_program
from experiments.quality.deblurring_table import CLASSICAL, load_whole
from experiments.quality.grid import Row
from experiments.quality.tables import (
    average,
    define_grid,
    describe_size,
    fill_grid,
    find_method,
    list_pictures,
    round_to_8_bits,
    stamp,
)

NAME = "blind_deblurring_table"
PICTURES = ("camera/2", "astronaut/2", "coins", "coffee/2")
SIZES = (19, 17, 15, 27, 13, 21, 23, 23)
NO_FIT = ("kernel", "blurred", "richardson_lucy_30")
KEY = ("seed_of_kernel", "kernel_size", "sigma", "picture", "size", "method", "seed")
REACH = 8  # pixels
_POINTS = 8000


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    methods = ("richardson_lucy_30", "fast", "true_fast")
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=NO_FIT[1:], size=128)
    text = {"flag_values": values}
    flags.DEFINE_float("sigma", 2.0, "Noise level in 8-bit levels.", lower_bound=0, **text)
    flags.DEFINE_integer("first_seed", 0, "Of the first kernel.", lower_bound=0, **text)
    numbers = [str(number) for number in range(len(SIZES))]
    flags.DEFINE_list("kernels", numbers, "Numbers of the kernels, from 0 to 7.", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    require("skimage", "tables", "--pictures", ",".join(values.pictures))
    numbers = []
    for text in values.kernels:
        if text not in map(str, range(len(SIZES))):
            raise UserError("--kernels", text, f"must be numbers from 0 to {len(SIZES) - 1}")
        numbers.append(int(text))
    for method in values.methods:
        if method not in NO_FIT:
            find_method(method.removeprefix("true_"), "deblur")
    values.methods = list(dict.fromkeys(("kernel", "blurred", *values.methods)))
    for name in values.pictures:
        crop_centre(load_whole(name), values.size, name)
    device = choose_device(values.backend)
    groups = [
        (values.first_seed + number, SIZES[number], values.sigma, name, values.size)
        for name in values.pictures
        for number in numbers
    ]
    rows = fill_grid(values, NAME, KEY, groups, NO_FIT, _compute_row)
    tables = [_tabulate(rows, "kernel", "similarity", "similarity of the kernels", "3")]
    for method in values.methods[1:]:
        tables.append(_tabulate(rows, method, "psnr", f"{method}, PSNR, dB", "2"))
    tables[-1] = tables[-1]._replace(note=describe_size(values.size))
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def _tabulate(rows: list[Row], method: str, score: str, heading: str, digits: str) -> Table:
    """Returns a table with a line a picture and a column a kernel."""
    own = [row for row in rows if row["method"] == method]
    kernels = list(dict.fromkeys((row["seed_of_kernel"], row["kernel_size"]) for row in own))
    lines = []
    for name in [*list_pictures(own), "mean"]:
        line = [row for row in own if name in (row["picture"], "mean")]
        cells = [
            average([row for row in line if row["seed_of_kernel"] == seed], score)
            for seed, _ in kernels
        ]
        texts = [f"{value:.{digits}f}" for value in (*cells, float(np.mean(cells)))]
        lines.append([name, *texts, f"{average(line, 'seconds'):.0f}"])
    columns = [f"seed {seed}, {size}x{size}" for seed, size in kernels]
    return Table(heading, ["picture", *columns, "mean", "seconds"], lines)


def draw_shake(size: int, seed: int) -> np.ndarray:
    """Draws the kernel of a shaken camera, ``[size, size]`` with sum 1.

    A point moves with random accelerations and a few sudden turns; its path is scaled to the size,
    and each pixel gets the time that the point spends near it.
    """
    rng = np.random.default_rng(seed)
    velocity, place, path = rng.normal(size=2), np.zeros(2), []
    for _ in range(400):
        force = 0.25 * rng.normal(size=2) - 0.02 * velocity - 0.002 * place
        if rng.random() < 0.008:
            velocity = rng.normal(size=2) - 0.7 * velocity
        velocity = 0.985 * velocity + 0.3 * force
        place = place + 0.05 * velocity
        path.append(place)
    points = np.array(path)
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    points *= (size - 3) / 2 / np.abs(points).max()
    times = np.linspace(0, len(points) - 1, _POINTS)
    fine = [np.interp(times, np.arange(len(points)), axis) + size // 2 for axis in points.T]
    rows, columns = (np.floor(axis).astype(int) for axis in fine)
    below, right = fine[0] - rows, fine[1] - columns
    kernel = np.zeros((size, size))
    for row, weights in ((rows, 1 - below), (rows + 1, below)):
        for column, others in ((columns, 1 - right), (columns + 1, right)):
            np.add.at(kernel, (row, column), weights * others)
    return kernel / kernel.sum()


def compare_kernels(found: np.ndarray, true: np.ndarray) -> float:
    """Returns the largest normalised correlation of two kernels over all shifts."""
    shape = tuple(a + b for a, b in zip(found.shape, true.shape, strict=True))
    product = np.fft.rfft2(found, shape) * np.fft.rfft2(true, shape).conj()
    largest = np.fft.irfft2(product, shape).max()
    return float(largest / np.linalg.norm(found) / np.linalg.norm(true))


def psnr_over_shifts(image: np.ndarray, truth: np.ndarray, reach: int = REACH) -> float:
    """Returns the best PSNR in dB over whole-pixel shifts, without a border of ``reach`` pixels."""
    height, width = (side - 2 * reach for side in truth.shape[:2])
    inner = truth[reach : reach + height, reach : reach + width]
    errors = [
        np.mean((image[top : top + height, left : left + width] - inner) ** 2)
        for top in range(2 * reach + 1)
        for left in range(2 * reach + 1)
    ]
    return float(-10 * np.log10(min(errors)))


@functools.lru_cache(maxsize=64)
def _find_kernel(
    seed: int, kernel_size: int, sigma: float, name: str, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Returns truth, blurred picture, true kernel, found kernel, and seconds to find it."""
    kernel = draw_shake(kernel_size, seed)
    whole = load_whole(name)
    blurred = crop_centre(blur(whole, kernel), size, name)
    blurred = round_to_8_bits(add_noise(blurred, sigma, 0))
    start = time.perf_counter()
    found = dip_jax.estimate_kernel(blurred, kernel_size)
    return crop_centre(whole, size, name), blurred, kernel, found, time.perf_counter() - start


def _compute_row(
    kernel_seed: int,
    kernel_size: int,
    sigma: float,
    name: str,
    size: int,
    method: str,
    seed: int,
) -> dict[str, Any]:
    truth, blurred, true, found, seconds = _find_kernel(kernel_seed, kernel_size, sigma, name, size)
    if method == "kernel":
        similarity = compare_kernels(found, true)
        return {"similarity": f"{similarity:.4f}", "seconds": f"{seconds:.1f}", **stamp()}
    start = time.perf_counter()
    if method in CLASSICAL:
        image = next(iter(CLASSICAL[method](blurred, found)))
    else:
        given = true if method.startswith("true_") else found
        chosen = find_method(method.removeprefix("true_"), "deblur")
        preset = chosen.preset
        members = chosen.members
        result = restore(
            blurred, preset=preset, kernel=given, seed=seed, members=members, progress=False
        )
        if result.interrupted:
            raise KeyboardInterrupt  # an unfinished fit makes no row
        image = result.image
    seconds = time.perf_counter() - start
    score = psnr_over_shifts(image, truth)
    return {"psnr": f"{score:.3f}", "seconds": f"{seconds:.1f}", **stamp()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
