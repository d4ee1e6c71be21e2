"""Seconds and peak memory of the whole command on large pictures.

  python -m experiments.speed.large --megapixels=0.25,1,3 --damage=noise,scratches

Each row is a process of its own: the ordinary command with ``--preset`` reads a PNG file and writes
one. The picture repeats scikit-image's astronaut, mirrored, at a ratio of 4 to 3; it stands for a
size, so no quality is reported. ``noise`` is white, of sigma 25, with its level given;
``scratches`` are five straight lines, five pixels wide and an eighth of the width long, with their
mask given.

A row of twelve megapixels of noise takes the better part of an hour on two cores. With ``--work``
the runs are kept in that folder, and a later call goes on with the one that was killed; its seconds
are then those of all calls.
"""

import contextlib
import functools
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image
from skimage import data

from dip_jax.app import UserError
from dip_jax.damage import add_noise
from dip_jax.metrics import to_uint8
from experiments.program import Table, define_common, publish, run_program
from experiments.speed.process import find_device, run_code
from experiments.speed.subject import find_denoising_preset

NAME = "large"
SIGMA = 25.0
SCRATCHES, WIDTH = 5, 5
DAMAGE = ("noise", "scratches")
RUN = """
import json, sys
from dip_jax.app.cli import command
from experiments.speed.usage import read_peak
argv, out = json.loads(sys.argv[1])
code = command.main(argv)
if code:
    sys.exit(code)
with open(f"{out}/run.json") as file:
    record = json.load(file)
print(json.dumps([sum(record["seconds"].values()), record["steps"], read_peak()]))
"""
COLUMNS = (
    "damage",
    "pixels",
    "megapixels",
    "seconds, from start to end",
    "seconds of fitting",
    "steps",
    "peak memory, GB",
)


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("megapixels", ["0.25", "1"], "Sizes of the pictures.", **text)
    flags.DEFINE_list("damage", list(DAMAGE), "Some of " + ", ".join(DAMAGE) + ".", **text)
    flags.DEFINE_string("preset", "fast", "A preset of both tasks.", **text)
    flags.DEFINE_string("work", None, "Folder for the runs, to go on; default: not kept.", **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sizes = [_parse_size(text) for text in values.megapixels]
    for name in values.damage:
        if name not in DAMAGE:
            raise UserError("--damage", name, "is unknown; there are " + ", ".join(DAMAGE))
    preset = find_denoising_preset(values.preset, "--preset").name
    device = find_device(values.backend)
    rows = []
    with _folder(values.work) as work:
        for name in values.damage:
            for height, width in sizes:
                row = measure(name, height, width, preset, device.backend, work)
                print(*row, file=sys.stderr)
                rows.append(row)
    table = Table("The command on large pictures", COLUMNS, rows)
    publish([table], f"experiments.speed.{NAME}", argv, device.description, values.out)


def _parse_size(text: str) -> tuple[int, int]:
    """Returns height and width, at a ratio of 3 to 4."""
    try:
        pixels = 1e6 * float(text)
    except ValueError:
        pixels = math.nan
    if not 0.01e6 <= pixels <= 64e6:
        raise UserError("--megapixels", text, "must be from 0.01 to 64, for example 1,12.2")
    height = round(math.sqrt(pixels * 3 / 4))
    return height, round(pixels / height)


@contextlib.contextmanager
def _folder(name: str | None) -> Iterator[Path]:
    if name is not None:
        Path(name).mkdir(parents=True, exist_ok=True)
        yield Path(name).absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def measure(
    damage: str, height: int, width: int, preset: str, backend: str, work: Path
) -> list[Any]:
    """Runs the command on a picture of this size in a process of its own; returns a row."""
    label = f"{damage}-{width}x{height}-{preset}"
    picture, out = work / f"{label}.png", work / label
    argv = [f"--image={picture}", f"--out={out}", f"--preset={preset}", f"--backend={backend}"]
    clean = make_picture(height, width)
    if damage == "noise":
        noisy = add_noise(clean, SIGMA, 0)
        _write(picture, noisy)
        argv += ["--task=denoise", f"--sigma={SIGMA}", "--noise=gaussian"]
    else:
        mask = make_scratches(height, width)
        _write(picture, clean * mask[:, :, None])
        _write(work / f"{label}-mask.png", mask[:, :, None])
        argv += ["--task=inpaint", f"--mask={work / label}-mask.png"]
    resumed = out.exists()
    argv += ["--quiet", *["--resume"] * resumed]
    seconds, (fitting, steps, peak) = run_code(RUN, argv, str(out))
    whole = "resumed" if resumed else f"{seconds:.0f}"
    return [
        damage,
        f"{width}x{height}",
        f"{height * width / 1e6:.2f}",
        whole,
        f"{fitting:.0f}",
        steps,
        f"{peak / 1e9:.1f}",
    ]


def make_picture(height: int, width: int) -> np.ndarray:
    """Returns float32 ``[height, width, 3]`` in [0, 1]: the astronaut, repeated and mirrored."""
    picture = data.astronaut().astype(np.float32) / 255
    extra = [(0, max(0, size - 512)) for size in (height, width)]
    return np.pad(picture, [*extra, (0, 0)], mode="symmetric")[:height, :width]


def make_scratches(height: int, width: int) -> np.ndarray:
    """Returns a mask ``[height, width]``, 0 in five scratches and 1 elsewhere."""
    mask = np.ones((height, width), np.float32)
    rng = np.random.default_rng(0)
    length = width // 8
    for _ in range(SCRATCHES):
        angle = rng.uniform(0, math.pi)
        top, left = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
        along = np.linspace(-length / 2, length / 2, 2 * length)
        rows = np.clip(top + along * math.sin(angle), 0, height - WIDTH).astype(int)
        columns = np.clip(left + along * math.cos(angle), 0, width - WIDTH).astype(int)
        for down in range(WIDTH):
            for right in range(WIDTH):
                mask[rows + down, columns + right] = 0
    return mask


def _write(path: Path, image: np.ndarray) -> None:
    pixels = to_uint8(image)
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
