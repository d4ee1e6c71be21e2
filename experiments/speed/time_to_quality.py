"""Wall-clock seconds until a picture is as good as the original's settings ever make it.

  DIP_JAX_DATA=... python -m experiments.speed.time_to_quality --out=experiments/results/speed

For each picture (256x256 centre, sigma 25, clipped; one noisy array for all), seed and method,
``experiments.speed.curves`` writes a learning curve in a process of its own, with an empty cache
of compiled programs. (With ``--cache`` all share one cache, and the first of each method fills
it.) The target is the best PSNR of the PyTorch peer's average with the original's settings, the
mean over its seeds. A method's time runs from the start of its process, including import and
compilation, until its average first reaches the target.

Existing curves are kept, and the peer's resume, so the command may be interrupted and repeated.
Use another ``--out`` for another machine or backend.

The seconds of a curve mean little if other work ran beside it, or if our steps have become faster
since. ``--calibrate`` then measures start-up and step of each method again, in turn; times are
start-up + steps * step. The table gives the dates of curves and calibration. Clean pictures serve
the report only.
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

from dip_jax.app import UserError
from dip_jax.app.files import replacing
from experiments.program import Table, define_backend, publish, require, run_program
from experiments.speed.curves import EVERY, METHODS, format_origin, read_origin
from experiments.speed.process import find_device

NAME = "time_to_quality"
PICTURES = (
    "set9/image_House256rgb.png",
    "set9/image_F16_512rgb.png",
    "set9/kodim03.png",
)
PEER = "pytorch"
NEAR = 0.1  # a second target, this many dB lower
# Steps of a calibration run; some seconds each.
CALIBRATION = {"pytorch": 20, "paper": 20, "fast": 60}


class Curve(NamedTuple):
    """The columns of a curve's file."""

    step: np.ndarray
    seconds: np.ndarray
    psnr: np.ndarray
    average_psnr: np.ndarray


class Cost(NamedTuple):
    """A method's seconds: until its first step is done, and per later step."""

    startup: float
    step: float


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    data = os.environ.get("DIP_JAX_DATA")
    flags.DEFINE_string("data", data, "Folder of the pictures; default: DIP_JAX_DATA.", **text)
    flags.DEFINE_list("pictures", list(PICTURES), "Files under --data.", **text)
    flags.DEFINE_list("methods", ["pytorch", "fast"], "Some of " + ", ".join(METHODS) + ".", **text)
    flags.DEFINE_integer("seeds", 3, "Number of seeds per method: 0, 1, ...", lower_bound=1, **text)
    flags.DEFINE_integer("size", 256, "Side of the centre crop.", lower_bound=32, **text)
    flags.DEFINE_integer("steps", 3000, "Step limit.", lower_bound=2 * EVERY, **text)
    flags.DEFINE_string(
        "cache", None, "Folder of compiled programs; default: an empty one per curve.", **text
    )
    flags.DEFINE_bool(
        "run", True, "Compute missing curves, or only report the existing ones.", **text
    )
    flags.DEFINE_bool("calibrate", False, "Measure start-up and step again.", **text)
    flags.DEFINE_integer("rounds", 3, "Rounds of the calibration.", lower_bound=1, **text)
    out = "experiments/results/speed"
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
    # The peer comes last: its curves take hours.
    methods = sorted(values.methods, key=lambda method: method == PEER)
    wanted = {
        folder / f"{method}-{_name_subject(picture, values.size)}-{seed}.csv": (
            method,
            picture,
            seed,
        )
        for method in methods
        for seed in range(values.seeds)
        for picture in values.pictures
    }
    if values.run or values.calibrate:
        _check_pictures(values)
        # Resolve "auto" once: jax and PyTorch might resolve it differently.
        values.backend = find_device(values.backend).backend
        if PEER in values.methods:
            require("torch", "bench", "--methods", PEER)
            from experiments.speed import peer

            peer.choose_device(values.backend)
        folder.mkdir(parents=True, exist_ok=True)
    if values.run:
        _check_kept(wanted, values.steps)
        for path, (method, picture, seed) in wanted.items():
            if not path.exists():
                _make_curve(method, Path(values.data) / picture, path, seed, values.steps, values)
    if values.calibrate:
        _calibrate(methods, Path(values.data) / values.pictures[0], folder, values)
    costs = read_costs(folder / "calibration.csv", methods)
    pictures = [_name_subject(picture, values.size) for picture in values.pictures]
    kept = [
        path
        for method in sorted({PEER, *methods})
        for picture in pictures
        for path in sorted(folder.glob(f"{method}-{picture}-*.csv"))
    ]
    first, *others = make_tables(folder, pictures, methods, costs)
    note = (
        f"{first.note}  \n{_describe_origin(kept, folder / 'calibration.csv' if costs else None)}"
    )
    tables = [first._replace(note=note), *others]
    devices = " and ".join(sorted({read_origin(path)["device"] for path in kept}))
    publish(tables, f"experiments.speed.{NAME}", argv, devices, values.out)


def make_tables(
    folder: Path, pictures: Sequence[str], methods: Sequence[str], costs: dict[str, Cost]
) -> list[Table]:
    """Makes the tables of the curves in ``folder``.

    Raises:
      UserError: if there is no curve of the peer, and so no target.
    """
    rows, ratios, missing = [], {}, []
    for picture in pictures:
        peers = _read_curves(folder, PEER, picture)
        if not peers:
            missing.append(picture)
            continue
        target = float(np.mean([curve.average_psnr.max() for curve in peers.values()]))
        for near in (0.0, NEAR):
            # For the peer: mean seconds until each seed reaches its own best.
            peer_seconds = float(
                np.mean(
                    [
                        find_seconds(curve, curve.average_psnr.max() - near, costs.get(PEER))
                        for curve in peers.values()
                    ]
                )
            )
            for method in methods:
                curves = _read_curves(folder, method, picture)
                if not curves:
                    continue
                times = (
                    [peer_seconds]
                    if method == PEER
                    else [
                        find_seconds(c, target - near, costs.get(method)) for c in curves.values()
                    ]
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
                        " ".join(_format_seconds(t) for t in times),
                        " ".join("-" if np.isinf(r) else f"{r:.3f}" for r in ratio),
                    ]
                )
    if not rows:
        raise UserError("--out", folder, f"holds no curve of {PEER}, so there is no target")
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
            timing if costs else "Seconds as measured when the curves were made.",
        ),
        Table(
            "Ratio to the PyTorch peer over pictures and seeds",
            ["method", "dB below the target", "fits", "median", "worst"],
            summary,
            "inf: at least one fit never reached it."
            + (f" Without a curve of {PEER}: {', '.join(missing)}." if missing else ""),
        ),
    ]


def find_seconds(curve: Curve, target: float, cost: Cost | None) -> float:
    """Finds the seconds until the average reaches ``target``; infinity if it never does."""
    above = np.flatnonzero(curve.average_psnr >= target)
    if not above.size:
        return np.inf
    first = above[0]
    if cost is None:
        return float(curve.seconds[first])
    return cost.startup + float(curve.step[first] - 1) * cost.step


def read_curve(path: Path) -> Curve:
    """Reads the columns of a curve's file."""
    rows = np.loadtxt(path, delimiter=",", skiprows=2, ndmin=2)
    return Curve(*rows.T)


def read_costs(path: Path, methods: Sequence[str]) -> dict[str, Cost]:
    """Reads a calibration; returns medians over its rounds.

    Returns nothing unless the calibration covers the peer and all of ``methods``, because seconds
    measured on different occasions are not comparable.
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
    """Refuses curves of other settings, which the report would mix with these."""
    for path in paths:
        if path.exists() and (made := read_origin(path)["steps"]) != steps:
            problem = f"{path} was made with --steps={made}; remove it, or use another --out"
            raise UserError("--steps", steps, problem)


def _describe_origin(curves: Iterable[Path], calibration: Path | None) -> str:
    """Says when the curves and the calibration were made."""
    dates: dict[str, set[str]] = {}
    for path in curves:
        dates.setdefault(path.name.partition("-")[0], set()).add(read_origin(path)["date"])
    parts = [f"curves of {method}: {', '.join(sorted(of))}" for method, of in dates.items()]
    if calibration:
        parts.append(f"calibration: {read_origin(calibration)['date']}")
    return "Made: " + "; ".join(parts) + "."


def _name_subject(picture: str, size: int) -> str:
    """Names the picture's crop, for tables and files."""
    return f"{Path(picture).stem}-{size}"


def _read_curves(folder: Path, method: str, picture: str) -> dict[int, Curve]:
    paths = sorted(folder.glob(f"{method}-{picture}-*.csv"))
    return {index: read_curve(path) for index, path in enumerate(paths)}


def _make_curve(
    method: str, picture: Path, path: Path, seed: int, steps: int, values: flags.FlagValues
) -> None:
    print(f"{method}, {picture.name}, seed {seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as cache:
        command = [
            *(sys.executable, "-m", "experiments.speed.curves", f"--method={method}"),
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
                _make_curve(method, picture, path, 0, CALIBRATION[method], values)
                curve = read_curve(path)
                step = np.diff(curve.seconds[[0, -1]])[0] / np.diff(curve.step[[0, -1]])[0]
                startup = curve.seconds[0] - (curve.step[0] - 1) * step
                rows.append([method, f"{startup:.3f}", f"{step:.5f}"])
                device = read_origin(path)["device"]
    calibration = folder / "calibration.csv"
    with replacing(calibration) as partial, partial.open("w", newline="") as file:
        file.write(format_origin(device, max(CALIBRATION.values())))
        writer = csv.writer(file)
        writer.writerow(["method", "startup", "step"])
        writer.writerows(rows)


def _check_pictures(values: flags.FlagValues) -> None:
    if not values.data:
        raise UserError("--data", None, "is required: the folder of the standard pictures")
    if not values.pictures:
        raise UserError("--pictures", "", "is empty")
    for picture in values.pictures:
        if not (Path(values.data) / picture).exists():
            raise UserError("--pictures", picture, f"is not in --data={values.data}")


def _format_seconds(value: float) -> str:
    return "not reached" if np.isinf(value) else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
