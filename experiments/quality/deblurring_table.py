"""Deblurring with a known kernel: our presets against scikit-image's Wiener and Richardson-Lucy.

  python -m experiments.quality.deblurring_table --methods=fast,wiener,richardson_lucy

Pictures are scikit-image's. A name such as ``camera/2`` means the picture at half its size, by
means of 2x2 pixels; the table takes the centre ``--size``. The whole picture is blurred, mirrored
at its border, before it is cropped: what lies beyond the crop is blurred into it, as in a
photograph. Then comes Gaussian noise of ``--sigma``, and 8 bits. All methods get the same array
and kernel; ours estimate the noise level themselves.

- ``wiener`` and ``richardson_lucy`` get the balance, or the number of iterations up to 100, that
  gives the best PSNR. No user can do this: their lines are upper limits.
- ``wiener_auto`` (``unsupervised_wiener``) and ``richardson_lucy_30`` (30 iterations) are what a
  user gets without the truth.

They see the picture mirrored beyond its border, one channel at a time. Rows are saved in --out as
they are done; the same command resumes.
"""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.machine import choose_device
from dip_jax.damage import add_noise, blur
from dip_jax.metrics import psnr_8_bit
from dip_jax.operators import named_kernel
from experiments.pictures import crop_centre, load_picture
from experiments.program import Table, publish, require, run_program
from experiments.quality.tables import (
    define_grid,
    describe_size,
    fill_grid,
    find_method,
    format_scores,
    list_pictures,
    round_to_8_bits,
    run_method,
    stamp,
)

NAME = "deblurring_table"
PICTURES = ("camera/2", "astronaut/2", "astronaut", "coffee", "chelsea", "rocket")
SCENES = ("camera", "astronaut", "coffee", "chelsea", "rocket", "coins")
KERNELS = ("gaussian:1.6", "motion:15,30")
BALANCES = 10.0 ** np.arange(-5, 1.01, 0.25)
ITERATIONS = 100
KEY = ("kernel", "sigma", "picture", "size", "method", "seed")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    methods = ("fast", *CLASSICAL)
    define_grid(values, NAME, pictures=PICTURES, methods=methods, others=tuple(CLASSICAL), size=256)
    text = {"flag_values": values}
    kernels = "Kernels, as dip-jax writes them, with semicolons between."
    flags.DEFINE_string("kernels", ";".join(KERNELS), kernels, **text)
    flags.DEFINE_float("sigma", 2.0, "Noise level in 8-bit levels.", lower_bound=0, **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    require("skimage", "tables", "--pictures", ",".join(values.pictures))
    values.methods = list(dict.fromkeys(("blurred", *values.methods)))
    for method in values.methods:
        if method not in CLASSICAL:
            find_method(method, "deblur")
    kernels = values.kernels.split(";")
    for kernel in kernels:
        try:
            named_kernel(kernel)
        except ValueError as error:
            raise UserError("--kernels", kernel, str(error)) from error
    for name in values.pictures:
        load_pair(name, kernels[0], values.sigma, values.size)
    device = choose_device(values.backend)
    groups = [
        (kernel, values.sigma, name, values.size) for kernel in kernels for name in values.pictures
    ]
    rows = fill_grid(values, NAME, KEY, groups, tuple(CLASSICAL), _compute_row)
    tables = []
    for kernel in kernels:
        own = [row for row in rows if row["kernel"] == kernel]
        lines = format_scores(own, values.methods, "psnr", {})
        columns = ["method", *list_pictures(own), "mean", "seconds a picture"]
        heading = f"{kernel}, sigma {values.sigma:g}, PSNR, dB"
        tables.append(Table(heading, columns, lines, describe_size(values.size)))
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def load_pair(name: str, kernel: str, sigma: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a picture and its blurred, noisy centre, float32 in [0, 1].

    Raises:
      UserError: for an unknown picture, or one smaller than ``size``.
    """
    whole = load_whole(name)
    blurred = crop_centre(blur(whole, named_kernel(kernel)), size, name)
    return crop_centre(whole, size, name), round_to_8_bits(add_noise(blurred, sigma, 0))


def load_whole(name: str) -> np.ndarray:
    """Returns a picture, at half its size if its name ends in ``/2``.

    Raises:
      UserError: for an unknown picture.
    """
    plain = name.removesuffix("/2")
    if plain not in SCENES:
        known = f"there are {', '.join(SCENES)}, and the same with /2"
        raise UserError("--pictures", name, f"is unknown; {known}")
    whole = load_picture(plain, 0)
    if name == plain:
        return whole
    rows, columns = (length // 2 for length in whole.shape[:2])
    whole = whole[: 2 * rows, : 2 * columns]
    return whole.reshape(rows, 2, columns, 2, -1).mean(axis=(1, 3))


def _compute_row(
    kernel: str, sigma: float, name: str, size: int, method: str, seed: int
) -> dict[str, Any]:
    truth, blurred = load_pair(name, kernel, sigma, size)
    if method in CLASSICAL:
        start = time.perf_counter()
        candidates = CLASSICAL[method](blurred, named_kernel(kernel))
        score = max(psnr_8_bit(image, truth) for image in candidates)
        record = {"seconds": f"{time.perf_counter() - start:.1f}"}
    else:
        preset = find_method(method, "deblur")
        result, record = run_method(preset, blurred, seed, truth, kernel=kernel)
        score = psnr_8_bit(result.image, truth)
    return {"psnr": f"{score:.3f}", **record, **stamp()}


def _filter_channels(
    function: Callable[[np.ndarray], np.ndarray], blurred: np.ndarray, reach: int
) -> np.ndarray:
    """Calls ``function`` on each channel, mirrored beyond the border by ``reach``."""
    wide = np.pad(blurred, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    found = np.stack([function(plane) for plane in np.moveaxis(wide, 2, 0)], axis=2)
    return found[reach:-reach, reach:-reach]


def _return_blurred(blurred: np.ndarray, kernel: np.ndarray) -> Iterator[np.ndarray]:
    del kernel
    yield blurred


def _filter_wiener(blurred: np.ndarray, kernel: np.ndarray) -> Iterator[np.ndarray]:
    from skimage.restoration import wiener

    for balance in BALANCES:
        filtered = functools.partial(wiener, psf=kernel, balance=balance)
        yield _filter_channels(filtered, blurred, 2 * max(kernel.shape))


def _filter_wiener_auto(blurred: np.ndarray, kernel: np.ndarray) -> Iterator[np.ndarray]:
    from skimage.restoration import unsupervised_wiener

    def function(plane: np.ndarray) -> np.ndarray:
        return unsupervised_wiener(plane, kernel, rng=0)[0]

    yield _filter_channels(function, blurred, 2 * max(kernel.shape))


def _iterate(blurred: np.ndarray, kernel: np.ndarray, counts: range) -> Iterator[np.ndarray]:
    from skimage.restoration import richardson_lucy

    for count in counts:
        found = functools.partial(richardson_lucy, psf=kernel, num_iter=count)
        yield _filter_channels(found, blurred, 2 * max(kernel.shape))


def _richardson_lucy(blurred: np.ndarray, kernel: np.ndarray) -> Iterator[np.ndarray]:
    yield from _iterate(blurred, kernel, range(5, ITERATIONS + 1, 5))


def _richardson_lucy_30(blurred: np.ndarray, kernel: np.ndarray) -> Iterator[np.ndarray]:
    yield from _iterate(blurred, kernel, range(30, 31))


# Each method yields candidates; the best counts.
CLASSICAL = {
    "blurred": _return_blurred,
    "wiener_auto": _filter_wiener_auto,
    "richardson_lucy_30": _richardson_lucy_30,
    "wiener": _filter_wiener,
    "richardson_lucy": _richardson_lucy,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
