"""Learning curves of one network on a picture and on three kinds of noise.

This is the paper's first evidence (Ulyanov et al., Deep Image Prior, CVPR 2018, section 2 and
figure 2). The same network fits a natural picture far faster than the picture with noise added,
the picture with shuffled pixels, or pure noise: the network resists noise. Network, initial
parameters, input and optimiser are the same in all four fits; only the target differs.

  python -m experiments.quality.noise_resistance

Each finished curve is saved in OUT/curves; the same command computes only what is missing.
"""

import functools
import hashlib
import json
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from skimage import data
from tqdm.auto import tqdm

import dip_jax
from dip_jax import damage
from dip_jax.app import UserError
from dip_jax.app.files import read_picture, replacing
from dip_jax.app.machine import choose_device
from dip_jax.base import Algorithm
from experiments.program import define_backend, run_program
from experiments.quality.noise_resistance_report import (
    NAME,
    Curve,
    Curves,
    format_statement,
    format_table,
    make_figure,
    write_report,
)

# PAPER is the paper's network; SMALL shows the same in minutes on two CPU cores.
SMALL = {"size": 128, "width": 32, "scales": 5, "steps": 400}
PAPER = {"size": 512, "width": 128, "scales": 5, "steps": 5000}
LEARNING_RATE = 0.01


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_bool("paper_size", False, f"Use the paper's network: {PAPER}.", **text)
    flags.DEFINE_string("image", None, "The picture; default: scikit-image's astronaut.", **text)
    for name, meaning in {
        "size": "Side to which the picture is downsampled and cropped",
        "width": "Channels of the network",
        "scales": "Scales of the network",
        "steps": "Steps of Adam",
    }.items():
        flags.DEFINE_integer(name, None, f"{meaning} [{SMALL[name]}].", **text)
    flags.DEFINE_float("sigma", 25.0, "Noise added to the picture, in 8-bit levels.", **text)
    flags.DEFINE_integer("seeds", 1, "Number of fits per target: seeds 0, 1, ...", **text)
    flags.DEFINE_integer("every", 10, "Steps between updates of the display.", **text)
    define_backend(values)
    flags.DEFINE_string("out", f"dip-jax-results/{NAME}", "Folder for the results.", **text)
    flags.DEFINE_bool("overwrite", False, "Delete the curves in --out and start again.", **text)


def main(argv: Sequence[str]) -> int:
    """Runs with ``argv`` (without the program's name); returns the exit code."""
    return run_program(NAME, __doc__ or "", define, _run, argv)


def _run(values: flags.FlagValues) -> None:
    sizes = {
        name: default if values[name].value is None else values[name].value
        for name, default in (PAPER if values.paper_size else SMALL).items()
    }
    _check_flags(values, sizes)
    picture = _load_picture(values.image, sizes["size"])
    make_figure()  # fail now if matplotlib is missing, not after a long run
    folder = Path(values.out)
    settings = {
        "version": dip_jax.__version__,
        "device": choose_device(values.backend),
        "image": Path(values.image).name if values.image else "astronaut",
        "pixels": hashlib.sha256(picture.tobytes()).hexdigest()[:16],
        **sizes,
        "sigma": values.sigma,
    }
    _claim_folder(folder, settings, overwrite=values.overwrite)
    title = (
        f"hourglass {sizes['scales']}x{sizes['width']}, {settings['image']} "
        f"{sizes['size']}x{sizes['size']}, {sizes['steps']} steps"
    )
    print(f"{title}, on {settings['device']}")
    algorithm = _make_algorithm(picture.shape[2], sizes["width"], sizes["scales"])
    curves: Curves = {}
    for seed in range(values.seeds):
        for name, target in make_targets(picture, values.sigma, seed).items():
            path = folder / "curves" / f"{name}-{seed}.npz"
            curve = _load_curve(path, sizes["steps"])
            if curve is None:
                label = f"{name}, seed {seed}"
                curve = _fit(
                    algorithm,
                    target,
                    label=label,
                    seed=seed,
                    steps=sizes["steps"],
                    every=values.every,
                )
                with replacing(path) as partial, partial.open("wb") as file:
                    np.savez_compressed(file, **curve)
            curves[name, seed] = curve
    targets = make_targets(picture, values.sigma, 0)
    print(format_table(curves, targets))
    print(format_statement(curves, targets))
    write_report(folder, title, curves, targets)


def make_targets(picture: np.ndarray, sigma: float, seed: int) -> dict[str, np.ndarray]:
    """Makes the four targets, float32 ``[h, w, c]``; one permutation shuffles all channels.

    The added noise is Gaussian with ``sigma`` in 8-bit levels, clipped to [0, 1].
    """
    draw = np.random.default_rng([seed, 1])
    pixels = picture.reshape(-1, picture.shape[2])
    return {
        "natural": picture,
        "noisy": damage.add_noise(picture, sigma, seed),
        "shuffled": draw.permutation(pixels).reshape(picture.shape),
        "noise": draw.random(picture.shape, np.float32),
    }


def _check_flags(values: flags.FlagValues, sizes: dict[str, int]) -> None:
    given = {**sizes, "seeds": values.seeds, "every": values.every}
    for name, least in {
        "width": 1,
        "scales": 1,
        "steps": 4,
        "seeds": 1,
        "every": 1,
    }.items():
        if given[name] < least:
            raise UserError(f"--{name}", given[name], f"must be at least {least}")
    if not 0 < values.sigma <= 255:
        raise UserError("--sigma", values.sigma, "must be above 0 and at most 255 levels")
    stride = 2 ** sizes["scales"]
    # Normalising a single pixel at the coarsest scale would give zero.
    if sizes["size"] < 2 * stride or sizes["size"] % stride:
        raise UserError(
            "--size",
            sizes["size"],
            f"must be a multiple of {stride} (two to "
            f"the power of --scales) and at least {2 * stride}",
        )


def _load_picture(path: str | None, size: int) -> np.ndarray:
    """Returns the picture's centre, averaged down as far as ``size`` allows."""
    picture = read_picture(path).image if path else np.float32(data.astronaut()) / 255
    height, width, channels = picture.shape
    factor = min(height, width) // size
    if factor == 0:
        raise UserError("--size", size, f"the picture is only {width}x{height}; use less")
    top, left = (height - factor * size) // 2, (width - factor * size) // 2
    cut = picture[top : top + factor * size, left : left + factor * size]
    return cut.reshape(size, factor, size, factor, channels).mean(axis=(1, 3))


@functools.cache
def _make_algorithm(channels: int, width: int, scales: int) -> Algorithm:
    """Makes the algorithm, without jitter, since the experiment is about the loss itself.

    Cached, because programs are compiled per object: all targets share one program.
    """
    generator = dip_jax.Skip(channels=channels, widths=(width,) * scales)
    return dip_jax.dip(generator, optax.adam(LEARNING_RATE), jitter=0.0)


def _fit(
    algorithm: Algorithm,
    target: np.ndarray,
    *,
    label: str,
    seed: int,
    steps: int,
    every: int,
) -> Curve:
    key, z_key = jax.random.split(jax.random.key(seed))  # the same for every target
    z = dip_jax.inputs.uniform(z_key, *target.shape[:2])
    start = time.perf_counter()
    # disable=None: no bar unless the output is a terminal.
    with tqdm(total=steps, desc=label, disable=None, leave=False) as bar:

        def show(done: int, state: Any, trace: dip_jax.loop.Trace) -> None:
            del done, state
            bar.update(len(trace["loss"]))

        task = dip_jax.denoise(jnp.asarray(target))
        state, trace = dip_jax.run(algorithm, key, task, z, steps=steps, every=every, callback=show)
    fit = np.asarray(dip_jax.estimate(algorithm, state))
    # The trace holds the loss before each step; the estimate gives the final one.
    loss = np.append(trace["loss"], np.mean((fit - target) ** 2))
    if not np.isfinite(loss).all():
        raise FloatingPointError(f"{label}: diverged; not saved")
    seconds = time.perf_counter() - start
    print(f"  {label}: loss {loss[-1]:.4f} in {seconds:.0f} s", flush=True)
    return {"loss": loss, "fit": fit}


def _claim_folder(folder: Path, settings: dict[str, Any], *, overwrite: bool) -> None:
    """Prepares the folder for this run; refuses one with another run's curves."""
    record, stored = folder / "settings.json", [*folder.glob("curves/*.npz")]
    try:
        fresh = overwrite or not record.exists()
        known = {} if fresh else json.loads(record.read_text("utf-8"))
        other = [key for key in settings if known.get(key) != settings[key]]
        if stored and other and not overwrite:
            raise UserError(
                "--out",
                folder,
                f"holds curves of another run ({other[0]} "
                f"{known.get(other[0])} there, {settings[other[0]]} here); "
                "use another folder, or pass --overwrite",
            )
        for path in stored if overwrite else ():
            path.unlink()
        (folder / "curves").mkdir(parents=True, exist_ok=True)
        with replacing(record) as partial:
            partial.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    except (OSError, json.JSONDecodeError) as error:
        raise UserError("--out", folder, f"cannot be used ({error})") from error


def _load_curve(path: Path, steps: int) -> Curve | None:
    try:
        with np.load(path) as arrays:
            curve = dict(arrays)
        return curve if curve["loss"].shape == (steps + 1,) else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None  # absent or damaged: compute it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
