"""One learning curve in one process: quality against steps and wall-clock seconds.

  python -m experiments.speed.curves --method=pytorch --picture=House.png --file=curve.csv

``experiments.speed.time_to_quality`` calls this once per curve, so that import and compilation
count. The picture is cropped to its centre and gets clipped Gaussian noise, the same for every
method and seed. The clean picture serves the report only.

Methods: ``pytorch`` is the peer with the settings of the original's denoising notebook; a preset's
name is what ``dip-jax`` does with that preset. The average is the original's exponential average
for the peer, and the preset's for ours. The first line of a curve starts with ``#`` and says
where, when and with how many steps it was made.
"""

import csv
import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import read_picture, replacing
from dip_jax.app.recipe import find_preset
from dip_jax.damage import add_noise
from experiments.pictures import crop_centre
from experiments.program import define_backend, describe, require, run_program

NAME = "curves"
COLUMNS = ("step", "seconds", "psnr", "average_psnr")
EVERY = 5
KEEP_EVERY = 50
DECAY = 0.99  # of the original's running average
METHODS = ("pytorch", "paper", "fast")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_enum("method", None, METHODS, "The method.", **text)
    flags.DEFINE_string("picture", None, "The clean picture.", **text)
    flags.DEFINE_integer("size", 256, "Side of the centre crop.", lower_bound=32, **text)
    flags.DEFINE_float("sigma", 25.0, "Noise level in 8-bit levels.", lower_bound=1e-3, **text)
    flags.DEFINE_integer("seed", 0, "Seed of the network and its input.", lower_bound=0, **text)
    flags.DEFINE_integer("steps", 3000, "Step limit.", lower_bound=2 * EVERY, **text)
    flags.DEFINE_integer(
        "patience", 300, "Stop this many steps after the best average.", lower_bound=1, **text
    )
    flags.DEFINE_string("file", None, "The output, a CSV file.", **text)
    define_backend(values)
    flags.DEFINE_float("started", None, "Unix time at which seconds start; default: now.", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    started = time.time()
    return run_program(NAME, __doc__ or "", define, lambda values: _run(values, started), argv)


def _run(values: flags.FlagValues, started: float) -> None:
    for name in ("method", "picture", "file"):
        if not values[name].value:
            raise UserError(f"--{name}", None, "is required; see --help")
    truth = crop_centre(read_picture(values.picture).image, values.size, values.picture)
    y = add_noise(truth, values.sigma, seed=0)
    started = started if values.started is None else values.started
    path = Path(values.file)
    if values.method == "pytorch":
        require("torch", "bench", "--method", values.method)
        device, rows = _run_peer(truth, y, values, started, path.with_suffix(".state"))
    else:
        device, rows = _run_ours(truth, y, values, started)
    with replacing(path) as partial, partial.open("w", newline="") as file:
        file.write(format_origin(device, values.steps))
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([step, *(f"{v:.4f}" for v in rest)] for step, *rest in rows)
    path.with_suffix(".state").unlink(missing_ok=True)


def format_origin(device: str, steps: int) -> str:
    """Formats the first line of a file of measurements."""
    return "# " + json.dumps({"steps": steps, **describe(device)}) + "\n"


def read_origin(path: Path) -> dict[str, Any]:
    """Reads the line that :func:`format_origin` wrote.

    Raises:
      UserError: if the file starts with anything else.
    """
    with path.open(encoding="utf-8") as file:
        line = file.readline()
    try:
        return json.loads(line.removeprefix("# "))
    except ValueError as error:
        problem = "does not say in its first line how it was made; remove it"
        raise UserError("--out", path, problem) from error


def _run_ours(
    truth: np.ndarray, y: np.ndarray, values: flags.FlagValues, started: float
) -> tuple[str, list]:
    from dip_jax.app import restore
    from dip_jax.app.machine import choose_device

    device = choose_device(values.backend)
    preset = find_preset(values.method, "denoise")
    # A learning curve may exceed the steps of "paper", but not those of the schedule of "fast".
    most = preset.counts.steps if values.method == "fast" else values.steps
    result = restore(
        y,
        reference=truth,
        preset=preset,
        sigma=values.sigma,
        seed=values.seed,
        progress=False,
        steps=min(values.steps, most),
    )
    before = time.time() - started - result.compile_seconds - result.fit_seconds
    total = len(result.trace["psnr"])
    a_step = result.fit_seconds / max(1, total - 1)
    return device, [
        (
            step,
            before + result.compile_seconds + (step - 1) * a_step,
            result.trace["psnr"][step - 1],
            result.trace["average_psnr"][step - 1],
        )
        for step in range(1, total + 1)
        if step % EVERY == 0
    ]


def _run_peer(
    truth: np.ndarray, y: np.ndarray, values: flags.FlagValues, started: float, keep: Path
) -> tuple[str, list]:
    import torch

    from experiments.speed import peer
    from experiments.speed.subject import find_fixed_input

    preset = find_preset("paper", "denoise")
    method = find_fixed_input(preset)
    where = peer.choose_device(values.backend)
    torch.manual_seed(values.seed)
    net = peer.make_network(preset, truth.shape[2])
    z = 0.1 * torch.rand(1, method.depth, *y.shape[:2])
    fit = peer.Fit(
        peer.TorchSkip(net, method.depth).to(where),
        z.to(where),
        peer.to_tensor(y).to(where),
        learning_rate=preset.optimizer.learning_rate,
        jitter=method.jitter,
    )
    target = peer.to_tensor(truth).to(where)
    average, rows, done, best = None, [], 0, (-np.inf, 0)
    if keep.exists():
        with keep.open("rb") as file:
            kept = pickle.load(file)
        fit.load_state(kept["fit"])
        average, rows, done, best = (kept[k] for k in ("average", "rows", "done", "best"))
        started = time.time() - rows[-1][1]
    while done < values.steps and done - best[1] < values.patience:
        image = fit.step()
        done += 1
        average = image if average is None else DECAY * average + (1 - DECAY) * image
        if done % EVERY:
            continue
        psnr, average_psnr = (
            -10 * torch.log10(torch.mean((x - target) ** 2)).item() for x in (image, average)
        )
        rows.append((done, time.time() - started, psnr, average_psnr))
        best = max(best, (average_psnr, done))
        if done % KEEP_EVERY == 0:
            kept = {"fit": fit.state(), "average": average, "rows": rows}
            with replacing(keep) as partial, partial.open("wb") as file:
                pickle.dump({**kept, "done": done, "best": best}, file)
            print(f"{keep.stem}: {done} steps, {average_psnr:.2f} dB", file=sys.stderr)
    return peer.describe_device(where), rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
