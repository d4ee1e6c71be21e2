"""Restores pictures with clear licences by the command, and writes the gallery.

  python -m experiments.gallery                # all exhibits that are not there yet
  python -m experiments.gallery --only=blur    # one, anew; the others stay

Each exhibit is a picture of scikit-image, 160x160 pixels, damaged by code. The command gets the
damaged file, and the mask or the kernel, but never the original. That one is used afterwards, for
the PSNR. ``docs/gallery.md`` is the page, and ``docs/images/gallery/`` holds the pictures and a
table with a line per exhibit.
"""

import csv
import functools
import io
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags
from PIL import Image, ImageDraw

from dip_jax import damage
from dip_jax.app import UserError
from dip_jax.app.files import read_picture, replacing, write_picture
from dip_jax.metrics import psnr_8_bit, to_uint8
from dip_jax.operators import motion_kernel
from experiments.program import describe, run_program

NAME = "gallery"
SIZE = 160  # side of a picture in pixels
LICENCES = {
    "astronaut": "Eileen Collins, by NASA, in the public domain",
    "camera": "Lav Varshney, CC0",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
    "grass": "CC0, from CC0Textures",
    "hubble_deep_field": "NASA, in the public domain",
    "rocket": "SpaceX, in the public domain",
}
COLUMNS = ("name", "damaged", "restored", "seconds", "processor", "versions", "date")

Files = dict[str, bytes]


class Exhibit(NamedTuple):
    """One picture, its damage and the command against it."""

    name: str  # of its files
    title: str
    picture: str  # a function of skimage.data
    square: tuple[int, int, int]  # what is taken of it: top, left, side
    damage: Callable[[np.ndarray], Files]  # the original -> the files that the command gets
    words: tuple[str, ...]  # the command's; the first is the damaged file
    remark: str


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    names = [exhibit.name for exhibit in EXHIBITS]
    flags.DEFINE_list(
        "only",
        None,
        f"Exhibits to make anew [those that are not there], of {', '.join(names)}.",
        flag_values=values,
    )
    flags.DEFINE_string("out", "docs", "Folder for the page.", flag_values=values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, _run, argv)


def _run(values: flags.FlagValues) -> None:
    exhibits = {exhibit.name: exhibit for exhibit in EXHIBITS}
    for name in values.only or ():
        if name not in exhibits:
            raise UserError("--only", name, "is unknown; there are " + ", ".join(exhibits))
    folder = Path(values.out) / "images" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_rows(folder)
    wanted = [name for name in exhibits if name not in rows] if values.only is None else values.only
    for name in wanted:
        print(f"{name}: dip-jax {shlex.join(exhibits[name].words)}", flush=True)
        rows[name] = make(exhibits[name], folder)
        _write_rows(folder, rows)
    page = format_page(rows)
    with replacing(Path(values.out) / f"{NAME}.md") as partial:
        partial.write_text(page, encoding="utf-8")


def make(exhibit: Exhibit, folder: Path) -> dict[str, str]:
    """Damages, restores and scores one picture; writes its details; returns its row."""
    original = load(exhibit)
    files = exhibit.damage(original)
    with tempfile.TemporaryDirectory() as work:
        for name, contents in files.items():
            (Path(work) / name).write_bytes(contents)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        restored = run_command(exhibit.words, Path(work))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        damaged = read_picture(str(Path(work) / exhibit.words[0])).image
        restored = read_picture(str(restored)).image
    enlarged = np.kron(damaged, np.ones((len(restored) // len(damaged),) * 2 + (1,), np.float32))
    for label, picture in (("before", enlarged), ("after", restored), ("original", original)):
        write_picture(folder / f"{exhibit.name}_{label}.png", picture, strip=True)
    facts = describe("cpu")
    return {
        "name": exhibit.name,
        "damaged": f"{psnr_8_bit(enlarged, original):.2f}",
        "restored": f"{psnr_8_bit(restored, original):.2f}",
        "seconds": f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.0f}",
        **{key: facts[key] for key in ("processor", "versions", "date")},
    }


def load(exhibit: Exhibit) -> np.ndarray:
    """Returns the original, float32 ``[SIZE, SIZE, c]`` in [0, 1], of 8 bits."""
    from skimage import data
    from skimage.transform import resize

    top, left, side = exhibit.square
    whole = getattr(data, exhibit.picture)()
    square = whole[top : top + side, left : left + side]
    small = resize(square, (SIZE, SIZE), anti_aliasing=side > SIZE)
    return _round(small[:, :, None] if small.ndim == 2 else small)


def run_command(words: tuple[str, ...], work: Path) -> Path:
    """Runs ``dip-jax`` in a folder, from a cold start, on the CPU; returns the result's path.

    Raises:
      UserError: if the command fails; its own message goes to standard error.
    """
    environment = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(work / "cache"),
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    command = [sys.executable, "-m", "dip_jax", *words, "--quiet", "--backend=cpu"]
    if subprocess.run(command, cwd=work, env=environment, check=False).returncode:
        raise UserError("--only", words[0], "could not be restored")
    source = work / words[0]
    return source.with_stem(f"{source.stem}_restored")


def read_rows(folder: Path) -> dict[str, dict[str, str]]:
    """Returns the rows of an earlier run, by the names of their exhibits."""
    path = folder / f"{NAME}.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def _write_rows(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    with (
        replacing(folder / f"{NAME}.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[exhibit.name] for exhibit in EXHIBITS if exhibit.name in rows)


def format_page(rows: dict[str, dict[str, str]]) -> str:
    """Returns the page in Markdown, with the exhibits that have a row."""
    shown = [exhibit for exhibit in EXHIBITS if exhibit.name in rows]
    machines = sorted({row["processor"] for row in rows.values()})
    versions = sorted({row["versions"] for row in rows.values()})
    dates = sorted({row["date"] for row in rows.values()})
    dates = dates[:1] + dates[1:][-1:]
    lines = [
        "# Gallery",
        "",
        f"Each picture has {SIZE}x{SIZE} pixels and was damaged by code. The command saw the "
        "damaged file, and the mask or the kernel where one is named, but not the original. PSNR "
        "is against the original.",
        "",
        "Seconds are processor seconds of the whole command, of all cores together, compiling "
        "included. Two idle cores take half as long at best. Other programs ran on the same "
        "machine, which raises even these.",
        "",
        f"{'; '.join(machines)}. {'; '.join(versions)}. {' to '.join(dates)}. "
        "`python -m experiments.gallery` makes this page.",
    ]
    for exhibit in shown:
        row = rows[exhibit.name]
        cells = [
            f"![{exhibit.title}: {label}](images/{NAME}/{exhibit.name}_{label}.png)"
            for label in ("before", "after", "original")
        ]
        lines += [
            "",
            f"## {exhibit.title}",
            "",
            "```sh",
            f"dip-jax {shlex.join(exhibit.words)}",
            "```",
            "",
            f"| before: {row['damaged']} dB | after: {row['restored']} dB | original |",
            "|---|---|---|",
            f"| {' | '.join(cells)} |",
            "",
            f"{exhibit.remark} {row['seconds']} processor seconds. "
            f"Picture: {LICENCES[exhibit.picture]}.",
        ]
    return "\n".join([*lines, ""])


def _round(image: np.ndarray) -> np.ndarray:
    return to_uint8(image).astype(np.float32) / 255


def _encode(image: np.ndarray, format: str = "PNG", **options: int) -> bytes:
    """Returns the bytes of a file of 8 bits."""
    pixels = to_uint8(image)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def _grain(name: str, sigma: float, image: np.ndarray) -> Files:
    return {name: _encode(damage.add_noise(image, sigma, seed=0))}


def _photons(image: np.ndarray) -> Files:
    return {"stars.png": _encode(damage.add_poisson_noise(image, 16, seed=0))}


def _specks(image: np.ndarray) -> Files:
    """Makes 8 % of the pixels black or white."""
    draws = np.random.default_rng(0).random((SIZE, SIZE, 1))
    return {"specks.png": _encode(np.where(draws < 0.04, 0, np.where(draws > 0.96, 1, image)))}


def _scratches(image: np.ndarray) -> Files:
    """Draws scratches, a hair and a line of text, and the mask of all three."""
    random = np.random.default_rng(4)
    marks = Image.new("L", (SIZE, SIZE), 255)
    draw = ImageDraw.Draw(marks)
    for start in np.linspace(0.15, 0.9, 4) * SIZE:
        across = np.cumsum(random.normal(0, 2, 12)) + start
        draw.line([*zip(across, np.linspace(-5, SIZE + 5, 12), strict=True)], fill=0, width=2)
    draw.arc((20, 40, 125, 145), 150, 330, fill=0, width=3)
    draw.text((60, 128), "12 MAY 1987", fill=0, font_size=15, stroke_width=0.5)
    mask = (np.asarray(marks) > 250)[:, :, None].astype(np.float32)
    colour = np.array([0.95, 0.9, 0.75], np.float32)
    return _masked("cat.png", image, mask, colour)


def _missing(image: np.ndarray) -> Files:
    mask = damage.random_mask((SIZE, SIZE), 0.75, seed=0)
    return _masked("quarter.png", image, mask, np.zeros(1, np.float32))


def _hole(image: np.ndarray) -> Files:
    mask = np.ones((SIZE, SIZE, 1), np.float32)
    mask[40:82, 28:70] = 0
    return _masked("hole.png", image, mask, np.zeros(3, np.float32))


def _masked(name: str, image: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> Files:
    return {name: _encode(np.where(mask > 0, image, colour)), "mask.png": _encode(mask)}


def _shrink(image: np.ndarray) -> Files:
    small = Image.fromarray(to_uint8(image)).resize((SIZE // 4,) * 2, Image.Resampling.LANCZOS)
    return {"small.png": _encode(np.asarray(small, np.float32) / 255)}


def _motion(image: np.ndarray) -> Files:
    blurred = damage.blur(image, motion_kernel(9, 30))
    return {"moved.png": _encode(damage.add_noise(blurred, 2, seed=0))}


def _blocks(image: np.ndarray) -> Files:
    return {"blocky.jpg": _encode(image, "JPEG", quality=10)}


EXHIBITS = (
    Exhibit(
        "grain",
        "Grain",
        "coffee",
        (0, 100, 400),
        functools.partial(_grain, "grain.png", 25),
        ("grain.png",),
        "White noise of sigma 25, whose level the command estimates.",
    ),
    Exhibit(
        "photons",
        "Few photons",
        "hubble_deep_field",
        (300, 300, 160),
        _photons,
        ("stars.png", "--noise=poisson"),
        "Photon noise, stronger where the picture is bright. The flag tells its kind, which "
        "so dark a sky does not show; its level is estimated.",
    ),
    Exhibit(
        "specks",
        "Specks",
        "rocket",
        (100, 200, 240),
        _specks,
        ("specks.png",),
        "8 % of the pixels are black or white; they are found and filled.",
    ),
    Exhibit(
        "scratches",
        "Scratches and writing",
        "chelsea",
        (0, 80, 300),
        _scratches,
        ("cat.png", "--mask=mask.png"),
        "The mask is black where the picture is spoiled.",
    ),
    Exhibit(
        "missing",
        "Three of four pixels missing",
        "camera",
        (60, 130, 260),
        _missing,
        ("quarter.png", "--mask=mask.png"),
        "Single pixels are missing instead of areas.",
    ),
    Exhibit(
        "enlarging",
        "Too small",
        "astronaut",
        (0, 128, 200),
        _shrink,
        ("small.png", "--factor=4"),
        "40x40 pixels become 160x160. *Before* repeats each pixel.",
    ),
    Exhibit(
        "blur",
        "Moved while exposing",
        "camera",
        (60, 130, 260),
        _motion,
        ("moved.png", "--kernel=motion:9,30"),
        "Blurred along 9 pixels, 30 degrees up, with noise of sigma 2. The kernel is given.",
    ),
    Exhibit(
        "blocks",
        "JPEG blocks",
        "astronaut",
        (0, 128, 200),
        _blocks,
        ("blocky.jpg", "--task=reconstruct"),
        "JPEG of quality 10.",
    ),
    Exhibit(
        "hole",
        "What it can't do: a hole where something was",
        "chelsea",
        (0, 80, 300),
        _hole,
        ("hole.png", "--mask=mask.png"),
        "The fill continues the colours around it, but does not know that cats have two eyes.",
    ),
    Exhibit(
        "texture",
        "What it can't do: texture like noise",
        "grass",
        (0, 0, 160),
        functools.partial(_grain, "lawn.png", 25),
        ("lawn.png",),
        "Fine blades of grass look as random as the noise, and much of them goes with it.",
    ),
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
