"""Volumes with missing voxels: our fit in 3-D against interpolation, PSNR.

  python -m experiments.quality.volume_table --methods=harmonic,biharmonic,ours

The volume is made by code: ellipsoids of several densities, two of them with stripes, ``--size``
voxels a side. Voxels are missing at random. Known voxels are put back in all results and count.

- ``harmonic``: the filling whose gradient has the least square, by conjugate gradients.
- ``biharmonic``: the filling whose Laplacian has the least square. Smoother, and the better one.
- ``ours``: a network with skip connections in 3-D, stopped by a twentieth of the known voxels held
  out. ``oracle`` in the rows is the best PSNR of its run, which no user knows.
- ``deep_decoder``: the same with the Deep Decoder.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import dip_jax
from dip_jax import metrics, operators
from dip_jax.app import UserError
from dip_jax.app.machine import choose_device
from experiments.program import Table, define_backend, publish, run_program
from experiments.quality.grid import fill
from experiments.quality.tables import format_scores, list_pictures, stamp

NAME = "volume_table"
FITS = ("ours", "deep_decoder")
METHODS = ("harmonic", "biharmonic", *FITS)
STRIDE = 8  # of the networks
KEY = ("missing", "size", "picture", "method", "seed")
# Center [z, y, x], half axes, density added: in units of half a side.
_ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (0.85, 0.9, 0.75), 0.7),
    ((0.0, 0.02, 0.0), (0.78, 0.82, 0.66), -0.45),
    ((0.1, -0.2, 0.25), (0.4, 0.3, 0.15), -0.2),
    ((0.0, -0.1, -0.25), (0.3, 0.45, 0.18), 0.3),
    ((-0.3, 0.45, 0.1), (0.25, 0.15, 0.3), 0.4),
    ((0.35, 0.3, 0.0), (0.1, 0.1, 0.1), 0.5),
    ((-0.2, -0.5, 0.1), (0.08, 0.12, 0.2), 0.35),
)


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("methods", list(METHODS), "Of " + ", ".join(METHODS) + ".", **text)
    flags.DEFINE_float("missing", 0.5, "Share of the missing voxels.", 0.01, 0.99, **text)
    flags.DEFINE_integer("size", 64, "Voxels a side, a multiple of 8.", lower_bound=16, **text)
    flags.DEFINE_integer("seeds", 1, "Number of seeds of our fits.", lower_bound=1, **text)
    flags.DEFINE_integer("steps", 400, "The most steps of our fits.", lower_bound=1, **text)
    define_backend(values)
    flags.DEFINE_string("out", f"dip-jax-results/{NAME}", "Folder for the results.", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for method in values.methods:
        if method not in METHODS:
            raise UserError("--methods", method, "must be of " + ", ".join(METHODS))
    if values.size % STRIDE:
        raise UserError("--size", values.size, f"must be a multiple of {STRIDE}")
    device = choose_device(values.backend)
    keys = [
        (values.missing, values.size, "ellipsoids", method, seed)
        for method in values.methods
        for seed in range(values.seeds if method in FITS else 1)
    ]
    path = Path(values.out) / f"{NAME}_rows.csv"
    rows = fill(path, KEY, keys, functools.partial(_compute_row, values.steps))
    heading = f"{100 * values.missing:g} % missing, {values.size} voxels a side, PSNR, dB"
    columns = ["method", *list_pictures(rows), "mean", "seconds a volume"]
    lines = format_scores(rows, values.methods, "psnr", {})
    table = Table(heading, columns, lines, "Seconds include compilation.")
    publish([table], f"experiments.quality.{NAME}", argv, device, values.out)


def make_volume(size: int) -> np.ndarray:
    """Makes the volume, ``[size, size, size, 1]``, float32 in [0, 1]."""
    fine = 2 * size  # a voxel is the mean of eight samples
    place = (np.arange(fine) + 0.5) / size - 1
    z, y, x = np.meshgrid(place, place, place, indexing="ij", sparse=True)
    volume = np.zeros((fine,) * 3, np.float32)
    for number, (center, axes, density) in enumerate(_ELLIPSOIDS):
        distance = sum(
            ((axis - middle) / half) ** 2
            for axis, middle, half in zip((z, y, x), center, axes, strict=True)
        )
        stripes = 1 + 0.3 * np.sin(12 * np.pi * (y + 0.5 * x)) if number in (3, 4) else 1.0
        volume += density * stripes * (distance < 1)
    volume = volume.reshape(size, 2, size, 2, size, 2).mean(axis=(1, 3, 5))
    return np.clip(volume, 0, 1).astype(np.float32)[..., None]


def _compute_row(
    steps: int, missing: float, size: int, picture: str, method: str, seed: int
) -> dict[str, Any]:
    del picture  # there is one
    truth = make_volume(size)
    known = np.random.default_rng(7).random((size,) * 3) >= missing
    start, record = time.perf_counter(), {}
    if method in FITS:
        found, record = _fit(method, truth, known, steps, jax.random.key(seed))
    else:
        order = 1 if method == "harmonic" else 2
        found = _interpolate(np.where(known, truth[..., 0], 0), known, order)[..., None]
    seconds = f"{time.perf_counter() - start:.1f}"
    found = np.where(known[..., None], truth, np.clip(found, 0, 1))
    score = float(metrics.psnr(jnp.asarray(found), jnp.asarray(truth)))
    return {"psnr": f"{score:.3f}", "seconds": seconds, **record, **stamp()}


def _interpolate(volume: np.ndarray, known: np.ndarray, order: int) -> np.ndarray:
    """Solves for missing voxels with the least squared gradient (order 1) or Laplacian (2)."""
    from scipy import ndimage
    from scipy.sparse.linalg import LinearOperator, cg

    def bend(values: np.ndarray) -> np.ndarray:
        for _ in range(order):
            values = -ndimage.laplace(values, mode="reflect")  # symmetric, with mirrored borders
        return values

    def apply(unknown: np.ndarray) -> np.ndarray:
        whole = np.zeros(volume.shape)
        whole[~known] = unknown
        return bend(whole)[~known]

    count = int((~known).sum())
    system = LinearOperator((count, count), matvec=apply, dtype=np.float64)
    rest = -bend(np.where(known, volume, 0.0).astype(np.float64))[~known]
    found, failed = cg(system, rest, rtol=1e-5, maxiter=2000)
    if failed:
        raise RuntimeError("interpolation did not converge")
    filled = volume.copy()
    filled[~known] = found
    return filled


def _fit(
    method: str, truth: np.ndarray, known: np.ndarray, steps: int, key: jax.Array
) -> tuple[np.ndarray, dict[str, str]]:
    split_key, z_key, key = jax.random.split(key, 3)
    weights = jnp.asarray(known[..., None], jnp.float32)
    y = weights * truth
    fitted, held = operators.split_mask(split_key, weights, 0.05)
    task = dip_jax.validate(
        dip_jax.denoise(y, known=fitted, reference=jnp.asarray(truth)),
        dip_jax.denoise(y, known=held),
    )
    if method == "ours":
        network = dip_jax.Skip(
            channels=1, widths=(16, 32, 32), skip_widths=8, upsampling="nearest", bias=False, dims=3
        )
    else:
        network = dip_jax.DeepDecoder(channels=1, levels=3, width=64, dims=3)
    fit = dip_jax.average(dip_jax.dip(dip_jax.Flat(network), optax.adam(1e-2)), 0.95)
    fit = dip_jax.validated(dip_jax.measured(fit))
    fit = dip_jax.stop(fit, lambda info: info.metrics["validation"], at_least=100)
    z = 0.1 * jax.random.uniform(z_key, (*known.shape, 16 if method == "ours" else 64))
    state, trace = dip_jax.run(fit, key, task, z, steps=steps)
    record = {
        "steps": str(len(trace["loss"])),
        "chosen": str(int(trace["chosen"][-1])),
        "oracle": f"{np.nanmax(trace['psnr']):.3f}",
    }
    return np.asarray(dip_jax.estimate(fit, state)), record


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
