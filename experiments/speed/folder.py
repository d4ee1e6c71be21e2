"""Pictures per hour: one command for a folder or one per picture; one device, two, or processes.

  python -m experiments.speed.folder --pictures=12 --rounds=3 --sides=64,96

All ways restore the same noisy pictures with the same settings, and must write the same bytes.
The pictures have three shapes, cropped from scikit-image's astronaut. The ways take turns, after
an untimed round of one step that fills the cache of compiled programs. Nothing is pinned to
cores: two devices or two processes share the cores that one alone would have.

  one command a picture: ``dip-jax --image=PICTURE``, one after the other
  a folder: ``dip-jax --image=FOLDER``
  a folder, two devices: the same with ``--devices=2``
  a folder, two processes: two of the same, with ``--coordinator``

``--ways=folder`` selects some of them: a single GPU has no second device.
"""

import contextlib
import functools
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import write_picture
from dip_jax.app.machine import choose_device
from dip_jax.damage import add_noise
from experiments.program import Table, define_common, parse_integers, publish, run_program
from experiments.speed.subject import find_denoising_preset

NAME = "folder"
SINGLES, FOLDER, DEVICES, PROCESSES = (
    "one command a picture",
    "a folder",
    "a folder, two devices",
    "a folder, two processes",
)
WAYS = (SINGLES, FOLDER, DEVICES, PROCESSES)
NAMES = ("singles", "folder", "devices", "processes")
SIGMA = 25
COMMAND = (sys.executable, "-c", "from dip_jax.app.cli.command import entry; entry()")


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_integer("pictures", 12, "Number of pictures.", lower_bound=2, **text)
    flags.DEFINE_list("ways", list(NAMES), "Some of " + ", ".join(NAMES) + ".", **text)
    flags.DEFINE_list("sides", ["64", "96"], "Two side lengths of the pictures.", **text)
    flags.DEFINE_integer("rounds", 3, "Timed rounds.", lower_bound=1, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_integer(
        "steps", None, "Steps of a fit; default: the preset's.", lower_bound=1, **text
    )
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sizes = choose_sizes(parse_integers("--sides", values.sides, least=32))
    for name in values.ways or [""]:
        if name not in NAMES:
            raise UserError("--ways", name, "is unknown; there are " + ", ".join(NAMES))
    ways = [way for way, name in zip(WAYS, NAMES, strict=True) if name in values.ways]
    preset = find_denoising_preset(values.preset, "--preset")
    device = choose_device(values.backend)
    steps = values.steps or preset.counts.steps
    settings = [f"--backend={values.backend}", f"--preset={preset.name}", f"--sigma={SIGMA}"]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="dip_jax-folder-") as place:
        pictures = make_pictures(Path(place) / "pictures", values.pictures, sizes)
        for number in range(values.rounds + 1):
            left = {}
            for way in ways:
                out = Path(place) / "out"
                took = run_way(way, pictures, out, [*settings, f"--steps={steps if number else 1}"])
                left[way] = read_restored(out)
                shutil.rmtree(out)
                if number:
                    seconds[way].append(took)
            check_equal(left, values.pictures)
    note = (
        f"Medians of {values.rounds} rounds. {values.pictures} RGB pictures of "
        + ", ".join(f"{width}x{height}" for height, width in sizes)
        + f", preset {preset.name}, at most {steps} steps."
        + (" All ways wrote the same bytes." if len(ways) > 1 else "")
    )
    columns = ["way", "seconds", "pictures an hour", f"times {SINGLES}", f"times {FOLDER}"]
    table = Table("Throughput", columns, compare(seconds, values.pictures), note)
    publish([table], f"experiments.speed.{NAME}", argv, device, values.out)


def choose_sizes(sides: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the pictures' heights and widths: three shapes of two lengths."""
    if len(set(sides)) != 2 or max(sides) > 512:
        given = ",".join(str(side) for side in sides)
        raise UserError("--sides", given, "must be two lengths up to 512, such as 64,96")
    small, large = sorted(sides)
    return [(small, small), (large, small), (large, large)]


def make_pictures(folder: Path, count: int, sizes: Sequence[tuple[int, int]]) -> list[Path]:
    """Writes noisy crops of the astronaut, cycling through the sizes."""
    from skimage import data

    whole = data.astronaut().astype(np.float32) / 255
    folder.mkdir()
    paths = []
    for number in range(count):
        height, width = sizes[number % len(sizes)]
        top, left = 37 * number % (513 - height), 61 * number % (513 - width)
        cut = whole[top : top + height, left : left + width]
        paths.append(folder / f"{number:03d}.png")
        write_picture(paths[-1], add_noise(cut, SIGMA, seed=number))
    return paths


def run_way(way: str, pictures: Sequence[Path], out: Path, settings: Sequence[str]) -> float:
    """Restores the pictures into ``out``, one folder each; returns the seconds."""
    start = time.perf_counter()
    if way == SINGLES:
        out.mkdir()
        for picture in pictures:
            _run_all([[f"--image={picture}", f"--out={out / picture.stem}", *settings]])
    elif way == PROCESSES:
        address = f"--coordinator=127.0.0.1:{find_free_port()}"
        common = [f"--image={pictures[0].parent}", f"--out={out}", *settings, address]
        _run_all([[*common, "--processes=2", f"--process={i}"] for i in range(2)])
    else:
        devices = ["--devices=2"] if way == DEVICES else []
        _run_all([[f"--image={pictures[0].parent}", f"--out={out}", *settings, *devices]])
    return time.perf_counter() - start


def read_restored(out: Path) -> dict[str, bytes]:
    """Reads the bytes of the restored pictures, by name."""
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("*/restored.png"))}


def check_equal(left: dict[str, dict[str, bytes]], count: int) -> None:
    """Checks that all ways wrote the same ``count`` pictures.

    Raises:
      OSError: if they did not.
    """
    first = next(iter(left))
    for way, pictures in left.items():
        if len(pictures) != count:
            raise OSError(f"{way}: wrote {len(pictures)} of {count} pictures; nothing is reported")
        if pictures != left[first]:
            raise OSError(f"{way}: wrote other pictures than {first}; nothing is reported")


def compare(seconds: dict[str, list[float]], count: int) -> list[list[str]]:
    """Runs the command with each ``argv``, all at once; if one fails, ends the others."""
    median = {way: float(np.median(values)) for way, values in seconds.items()}
    bases = [median.get(way, np.nan) for way in (SINGLES, FOLDER)]
    return [
        [
            way,
            f"{took:.1f}",
            f"{3600 * count / took:.0f}",
            *("-" if np.isnan(base) else f"{base / took:.2f}" for base in bases),
        ]
        for way, took in median.items()
    ]


def find_free_port() -> int:
    """Finds a local port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _run_all(commands: Sequence[Sequence[str]]) -> None:
    """Runs the command with each ``argv``, all at once; if one fails, terminates the others."""
    with contextlib.ExitStack() as stack:
        started = []
        for argv in commands:
            # Not a pipe: it could fill while we wait for another process.
            errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen([*COMMAND, *argv], stdout=subprocess.DEVNULL, stderr=errors)
            stack.callback(process.terminate)  # no effect once it has ended
            started.append((process, errors))
        for process, errors in started:
            if process.wait():
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no message"])[-1]
                raise OSError(f"dip-jax ended with {process.returncode}: {last}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
