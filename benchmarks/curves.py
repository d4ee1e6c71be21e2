"""One learning curve in one process: quality against steps and wall-clock seconds.

  python -m benchmarks.curves --method=pytorch --picture=House.png --file=curve.csv

Called once a curve by ``benchmarks.time_to_quality``, so that import and compilation count.
The picture is cut to its centre and gets Gaussian noise, clipped; every method and seed gets
the same noisy array. The clean picture is used to report alone.

Methods: ``pytorch`` is the peer with the settings of the original's denoising notebook; a
preset's name is what ``dip-jax`` does with it. The average is the original's exponential one
for the peer and the preset's for ours. A curve's first line tells, behind a ``#``, where and
when it was made, and with how many steps at most.
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

from dip_jax.app.degrade import add_noise
from dip_jax.app.errors import UserError
from dip_jax.app.files import replacing
from dip_jax.app.pictures import read_picture
from experiments.program import define_backend, describe, require, run_program
from experiments.tables import centre

NAME = "curves"
COLUMNS = ("step", "seconds", "psnr", "average_psnr")
EVERY = 5
KEEP_EVERY = 50
DECAY = 0.99  # of the original's average
METHODS = ("pytorch", "paper", "fast")


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_enum("method", None, METHODS, "What is fitted.", **text)
    flags.DEFINE_string("picture", None, "The clean picture.", **text)
    flags.DEFINE_integer("size", 256, "Height and width of the cut.", lower_bound=32, **text)
    flags.DEFINE_float("sigma", 25.0, "Noise in 8-bit levels.", lower_bound=1e-3, **text)
    flags.DEFINE_integer("seed", 0, "Of the network and its input.", lower_bound=0, **text)
    flags.DEFINE_integer("steps", 3000, "At most so many.", lower_bound=2 * EVERY, **text)
    flags.DEFINE_integer(
        "patience", 300, "Stop so many steps after the best average.", lower_bound=1, **text
    )
    flags.DEFINE_string("file", None, "The curve, a CSV file.", **text)
    define_backend(values)
    flags.DEFINE_float("started", None, "Unix time from which seconds count [now].", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    started = time.time()
    return run_program(NAME, __doc__ or "", define, lambda values: _run(values, started), argv)


def _run(values: flags.FlagValues, started: float) -> None:
    for name in ("method", "picture", "file"):
        if not values[name].value:
            raise UserError(f"--{name}", None, "is needed; see --help")
    truth = centre(read_picture(values.picture).image, values.size, values.picture)
    y = add_noise(truth, values.sigma, seed=0)
    started = started if values.started is None else values.started
    path = Path(values.file)
    if values.method == "pytorch":
        require("torch", "bench", "--method", values.method)
        device, rows = _peer(truth, y, values, started, path.with_suffix(".state"))
    else:
        device, rows = _ours(truth, y, values, started)
    with replacing(path) as partial, partial.open("w", newline="") as file:
        file.write(made_line(device, values.steps))
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([step, *(f"{v:.4f}" for v in rest)] for step, *rest in rows)
    path.with_suffix(".state").unlink(missing_ok=True)


def made_line(device: str, steps: int) -> str:
    """How a file of measurements begins."""
    return "# " + json.dumps({"steps": steps, **describe(device)}) + "\n"


def read_made(path: Path) -> dict[str, Any]:
    """What :func:`made_line` wrote there.

    Raises:
      UserError: if the file begins in another way.
    """
    with path.open(encoding="utf-8") as file:
        line = file.readline()
    try:
        return json.loads(line.removeprefix("# "))
    except ValueError as error:
        problem = "does not tell in its first line how it was made; remove it"
        raise UserError("--out", path, problem) from error


def _ours(
    truth: np.ndarray, y: np.ndarray, values: flags.FlagValues, started: float
) -> tuple[str, list]:
    from dip_jax.app.device import choose_device
    from dip_jax.app.fitting import restore
    from dip_jax.app.presets import find_preset

    device = choose_device(values.backend)
    preset = find_preset(values.method, "denoise")
    # The paper's number of steps is no end of a learning curve; that of "fast" is its schedule's.
    most = preset.steps if values.method == "fast" else values.steps
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


def _peer(
    truth: np.ndarray, y: np.ndarray, values: flags.FlagValues, started: float, keep: Path
) -> tuple[str, list]:
    import torch

    from benchmarks import peer
    from dip_jax.app.presets import find_preset

    preset = find_preset("paper", "denoise")
    where = peer.device_of(values.backend)
    torch.manual_seed(values.seed)
    net = peer.network_of(preset, truth.shape[2])
    z = 0.1 * torch.rand(1, preset.depth, *y.shape[:2])
    fit = peer.Fit(
        peer.TorchSkip(net, preset.depth).to(where),
        z.to(where),
        peer.tensor(y).to(where),
        learning_rate=preset.learning_rate,
        jitter=preset.jitter,
    )
    target = peer.tensor(truth).to(where)
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
    return peer.name_of(where), rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
