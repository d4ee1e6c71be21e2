"""Wall-clock seconds until a picture is as good as the original's settings ever make it.

  DIP_JAX_DATA=... python -m benchmarks.time_to_quality --out=benchmarks/results

For each picture (256x256 centre, sigma 25, clipped; one noisy array for all), seed and method,
``benchmarks.curves`` writes a learning curve in a process of its own, with an empty cache of
compiled programs (with ``--cache`` all share one, and the first of each method fills it). The
target is the best PSNR that the average of the PyTorch peer reaches with the original's settings,
the mean over its seeds; a method's time is from the start of its process (import and compilation
included) until its average first reaches the target.

Curves that exist are kept (another machine or backend wants another ``--out``), and the peer's go
on where they were, so that the command may be stopped at any time and called again. Where other
work ran beside the curves, or our steps have become faster since, their seconds say little:
``--calibrate`` measures start-up and step of each method once more, in turn, and times are then
start-up + steps * step. The table tells of when curves and calibration are. Clean pictures are
used to report alone.
"""

import csv
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from benchmarks.curves import EVERY, METHODS, made_line, read_made
from benchmarks.process import device_of
from dip_jax.app.errors import UserError
from dip_jax.app.files import replacing
from experiments.program import Table, define_backend, publish, require, run_program

NAME = "time_to_quality"
PICTURES = (
    "set9/image_House256rgb.png",
    "set9/image_F16_512rgb.png",
    "set9/kodim03.png",
)
PEER = "pytorch"
NEAR = 0.1  # dB below the target
# Steps of a calibration: some seconds each.
CALIBRATION = {"pytorch": 20, "paper": 20, "fast": 60}


class Curve(NamedTuple):
    """Columns of a file of ``benchmarks.curves``."""

    step: np.ndarray
    seconds: np.ndarray
    psnr: np.ndarray
    average_psnr: np.ndarray


class Cost(NamedTuple):
    """Seconds of a method: until its first step is done, and of each later step."""

    startup: float
    step: float


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    data = os.environ.get("DIP_JAX_DATA")
    flags.DEFINE_string("data", data, "Folder of the pictures [DIP_JAX_DATA].", **text)
    flags.DEFINE_list("pictures", list(PICTURES), "Files under --data.", **text)
    flags.DEFINE_list("methods", ["pytorch", "fast"], "Of " + ", ".join(METHODS) + ".", **text)
    flags.DEFINE_integer("seeds", 3, "Seeds 0, 1, ... of each.", lower_bound=1, **text)
    flags.DEFINE_integer("size", 256, "Height and width of the cut.", lower_bound=32, **text)
    flags.DEFINE_integer("steps", 3000, "At most so many.", lower_bound=2 * EVERY, **text)
    flags.DEFINE_string("cache", None, "Folder of compiled programs [an empty one each].", **text)
    flags.DEFINE_bool("run", True, "Compute missing curves; else report what exists.", **text)
    flags.DEFINE_bool("calibrate", False, "Measure start-up and steps in turn.", **text)
    flags.DEFINE_integer("rounds", 3, "Of the calibration.", lower_bound=1, **text)
    out = "benchmarks/results"
    flags.DEFINE_string("out", out, "Folder for tables and curves.", **text)
    define_backend(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for method in values.methods:
        if method not in METHODS:
            raise UserError("--methods", method, "is unknown; there are " + ", ".join(METHODS))
    folder = Path(values.out) / NAME
    # The peer's last: they take hours.
    methods = sorted(values.methods, key=lambda method: method == PEER)
    wanted = {
        folder / f"{method}-{_subject(picture, values.size)}-{seed}.csv": (method, picture, seed)
        for method in methods
        for seed in range(values.seeds)
        for picture in values.pictures
    }
    if values.run or values.calibrate:
        _check_pictures(values)
        # Asked of a process, and told to all: jax and PyTorch might take "auto" for two things.
        values.backend = device_of(values.backend).backend
        if PEER in values.methods:
            require("torch", "bench", "--methods", PEER)
            from benchmarks import peer

            peer.device_of(values.backend)
        folder.mkdir(parents=True, exist_ok=True)
    if values.run:
        _check_kept(wanted, values.steps)
        for path, (method, picture, seed) in wanted.items():
            if not path.exists():
                _curve(method, Path(values.data) / picture, path, seed, values.steps, values)
    if values.calibrate:
        _calibrate(methods, Path(values.data) / values.pictures[0], folder, values)
    costs = read_costs(folder / "calibration.csv", methods)
    pictures = [_subject(picture, values.size) for picture in values.pictures]
    kept = [
        path
        for method in sorted({PEER, *methods})
        for picture in pictures
        for path in sorted(folder.glob(f"{method}-{picture}-*.csv"))
    ]
    first, *others = report(folder, pictures, methods, costs)
    note = f"{first.note}  \n{_provenance(kept, folder / 'calibration.csv' if costs else None)}"
    tables = [first._replace(note=note), *others]
    devices = " and ".join(sorted({read_made(path)["device"] for path in kept}))
    publish(tables, f"benchmarks.{NAME}", argv, devices, values.out)


def report(
    folder: Path, pictures: Sequence[str], methods: Sequence[str], costs: dict[str, Cost]
) -> list[Table]:
    """The tables of the curves that ``folder`` holds.

    Raises:
      UserError: if the peer has no curve, as there is then no target.
    """
    rows, ratios, missing = [], {}, []
    for picture in pictures:
        peers = _curves(folder, PEER, picture)
        if not peers:
            missing.append(picture)
            continue
        target = float(np.mean([curve.average_psnr.max() for curve in peers.values()]))
        for near in (0.0, NEAR):
            # The peer reaches what each of its seeds reaches, and this they average to.
            peer_seconds = float(
                np.mean(
                    [
                        reached(curve, curve.average_psnr.max() - near, costs.get(PEER))
                        for curve in peers.values()
                    ]
                )
            )
            for method in methods:
                curves = _curves(folder, method, picture)
                if not curves:
                    continue
                times = (
                    [peer_seconds]
                    if method == PEER
                    else [reached(c, target - near, costs.get(method)) for c in curves.values()]
                )
                ratio = np.array(times) / peer_seconds
                if method != PEER:
                    ratios.setdefault((method, near), []).extend(ratio)
                rows.append(
                    [
                        picture,
                        f"{target - near:.2f}",
                        method,
                        len(curves),
                        f"{np.mean([c.average_psnr.max() for c in curves.values()]):.2f}",
                        " ".join(_seconds(t) for t in times),
                        " ".join("-" if np.isinf(r) else f"{r:.3f}" for r in ratio),
                    ]
                )
    if not rows:
        raise UserError("--out", folder, f"holds no curve of {PEER}; there is no target without")
    columns = ["picture", "target, dB", "method", "seeds", "best average, dB", "seconds", "ratio"]
    timing = "calibrated: " + "; ".join(
        f"{method} {cost.startup:.1f} s until the first step, {cost.step:.3f} s a step"
        for method, cost in costs.items()
    )
    summary = [
        [method, f"{near:g}", len(values), f"{np.median(values):.3f}", f"{np.max(values):.3f}"]
        for (method, near), values in ratios.items()
    ]
    return [
        Table(
            "Seconds to the target",
            columns,
            rows,
            timing if costs else "Seconds as they were when the curves were made.",
        ),
        Table(
            "Ratio to the PyTorch peer over pictures and seeds",
            ["method", "dB below the target", "fits", "median", "worst"],
            summary,
            "inf: at least one fit never reached it."
            + (f" Without a curve of {PEER}: {', '.join(missing)}." if missing else ""),
        ),
    ]


def reached(curve: Curve, target: float, cost: Cost | None) -> float:
    """Seconds until the average reaches ``target``, infinity if it never does."""
    above = np.flatnonzero(curve.average_psnr >= target)
    if not above.size:
        return np.inf
    first = above[0]
    if cost is None:
        return float(curve.seconds[first])
    return cost.startup + float(curve.step[first] - 1) * cost.step


def read_curve(path: Path) -> Curve:
    """The columns of a curve's file."""
    rows = np.loadtxt(path, delimiter=",", skiprows=2, ndmin=2)
    return Curve(*rows.T)


def read_costs(path: Path, methods: Sequence[str]) -> dict[str, Cost]:
    """What a calibration measured, medians over its rounds.

    Empty without one that holds the peer and all of ``methods``: seconds of another occasion are
    not compared with these.
    """
    if not path.exists():
        return {}
    rounds: dict[str, list[tuple[float, float]]] = {}
    with path.open(newline="") as file:
        file.readline()
        for row in csv.DictReader(file):
            rounds.setdefault(row["method"], []).append((float(row["startup"]), float(row["step"])))
    if not rounds.keys() >= {PEER, *methods}:
        return {}
    return {method: Cost(*np.median(rounds[method], axis=0)) for method in sorted({PEER, *methods})}


def _check_kept(paths: Iterable[Path], steps: int) -> None:
    """Refuses curves of other settings, which would be reported as if they were of these."""
    for path in paths:
        if path.exists() and (made := read_made(path)["steps"]) != steps:
            problem = f"{path} was made with --steps={made}; remove it, or name another --out"
            raise UserError("--steps", steps, problem)


def _provenance(curves: Iterable[Path], calibration: Path | None) -> str:
    """When the curves and the calibration were made."""
    dates: dict[str, set[str]] = {}
    for path in curves:
        dates.setdefault(path.name.partition("-")[0], set()).add(read_made(path)["date"])
    told = [f"curves of {method}: {', '.join(sorted(of))}" for method, of in dates.items()]
    if calibration:
        told.append(f"calibration: {read_made(calibration)['date']}")
    return "Made: " + "; ".join(told) + "."


def _subject(picture: str, size: int) -> str:
    """A name of the picture's cut, for tables and curves."""
    return f"{Path(picture).stem}-{size}"


def _curves(folder: Path, method: str, picture: str) -> dict[int, Curve]:
    paths = sorted(folder.glob(f"{method}-{picture}-*.csv"))
    return {index: read_curve(path) for index, path in enumerate(paths)}


def _curve(
    method: str, picture: Path, path: Path, seed: int, steps: int, values: flags.FlagValues
) -> None:
    print(f"{method}, {picture.name}, seed {seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as cache:
        command = [
            *(sys.executable, "-m", "benchmarks.curves", f"--method={method}"),
            *(f"--picture={picture}", f"--seed={seed}", f"--steps={steps}", f"--file={path}"),
            *(f"--size={values.size}", f"--backend={values.backend}", f"--started={time.time()}"),
        ]
        result = subprocess.run(
            command,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": values.cache or cache},
            check=False,
        )
    if result.returncode:
        raise UserError("--methods", method, f"failed with exit code {result.returncode}")


def _calibrate(
    methods: Sequence[str], picture: Path, folder: Path, values: flags.FlagValues
) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(values.rounds):
            for method in methods:
                path = Path(scratch) / f"{method}-{number}.csv"
                _curve(method, picture, path, 0, CALIBRATION[method], values)
                curve = read_curve(path)
                step = np.diff(curve.seconds[[0, -1]])[0] / np.diff(curve.step[[0, -1]])[0]
                startup = curve.seconds[0] - (curve.step[0] - 1) * step
                rows.append([method, f"{startup:.3f}", f"{step:.5f}"])
                device = read_made(path)["device"]
    calibration = folder / "calibration.csv"
    with replacing(calibration) as partial, partial.open("w", newline="") as file:
        file.write(made_line(device, max(CALIBRATION.values())))
        writer = csv.writer(file)
        writer.writerow(["method", "startup", "step"])
        writer.writerows(rows)


def _check_pictures(values: flags.FlagValues) -> None:
    if not values.data:
        raise UserError("--data", None, "is needed: the folder with the standard pictures")
    if not values.pictures:
        raise UserError("--pictures", "", "names none")
    for picture in values.pictures:
        if not (Path(values.data) / picture).exists():
            raise UserError("--pictures", picture, f"is not in --data={values.data}")


def _seconds(value: float) -> str:
    return "not reached" if np.isinf(value) else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
