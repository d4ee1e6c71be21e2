"""Whether two checkouts give the same pixels in ``restored.png``, for a dozen short commands.

Run it before and after a change of structure:

    python -m experiments.compare_checkouts --before=../old --after=. --out=/tmp/compared

The pictures are crops of scikit-image's astronaut, 64 to 96 pixels wide, with damage. Each command
takes a few steps. What ``--out`` holds already is not computed again, so remove its
``after`` folder when the code changes. The exit code is 1 if a file differs or a command fails.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

# A name, and the command's flags; {pictures} is the folder of inputs.
COMMANDS: tuple[tuple[str, str], ...] = (
    ("denoise", "--image={pictures}/noisy.png --steps=6"),
    ("denoise_sigma", "--image={pictures}/noisy.png --steps=6 --sigma=25"),
    ("denoise_poisson", "--image={pictures}/photons.png --steps=6 --noise=poisson --gain=5"),
    ("denoise_hide", "--image={pictures}/noisy.png --steps=6 --hide=0.5"),
    ("denoise_sure", "--image={pictures}/noisy.png --steps=4 --preset=sure"),
    ("denoise_paper", "--image={pictures}/noisy.png --steps=3 --preset=paper"),
    ("denoise_r2r", "--image={pictures}/noisy.png --steps=6 --stop=r2r"),
    ("denoise_discrepancy", "--image={pictures}/noisy.png --steps=3 --preset=paper --sigma=25 "
     "--stop=discrepancy"),
    ("denoise_wmv", "--image={pictures}/noisy.png --steps=4 --preset=paper --stop=wmv"),
    ("denoise_tv", "--image={pictures}/noisy.png --steps=6 --tv=0.1"),
    ("denoise_unet", "--image={pictures}/noisy.png --steps=3 --generator=unet"),
    ("denoise_grey", "--image={pictures}/grey.png --steps=6"),
    ("inpaint_text", "--task=inpaint --image={pictures}/clean.png --mask={pictures}/text.png "
     "--steps=6"),
    ("inpaint_scattered", "--task=inpaint --image={pictures}/clean.png "
     "--mask={pictures}/scattered.png --steps=6"),
    ("enlarge_2", "--task=super_resolve --image={pictures}/small.png --factor=2 --steps=6"),
    ("enlarge_4", "--task=super_resolve --image={pictures}/small.png --factor=4 --steps=6"),
    ("reconstruct", "--task=reconstruct --image={pictures}/blocky.jpg --steps=6"),
    ("members", "--image={pictures}/noisy.png --steps=6 --members=2"),
    ("members_inpaint", "--task=inpaint --image={pictures}/clean.png --mask={pictures}/text.png "
     "--steps=4 --members=2"),
    ("tile", "--image={pictures}/wide.png --steps=6 --tile=64"),
    ("tile_enlarge", "--task=super_resolve --image={pictures}/wide.png --factor=2 --tile=64 "
     "--steps=3"),
    ("demonstration", "--task=inpaint --missing=60 --image={pictures}/clean.png --steps=4 "
     "--seed=3"),
    ("folder", "--image={pictures}/many --steps=6"),
)  # fmt: skip


def main() -> int:
    """Runs the commands in both checkouts and prints what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the checkout to compare with")
    parser.add_argument("--after", type=Path, required=True, help="the changed checkout")
    parser.add_argument("--out", type=Path, required=True, help="folder for inputs and results")
    parser.add_argument("--only", default="", help="commands whose name contains this")
    options = parser.parse_args()
    pictures = options.out.absolute() / "pictures"
    make_pictures(pictures)
    differing = 0
    for name, command in COMMANDS:
        if options.only not in name:
            continue
        digests = []
        for side in ("before", "after"):
            folder = options.out.absolute() / side / name
            if not list(folder.rglob("restored.png")):
                arguments = command.format(pictures=pictures).split()
                run(getattr(options, side).absolute(), [*arguments, f"--out={folder}"])
                if name == "folder":  # one of them is finished, the other is restored again
                    for path in (folder / "noisy").iterdir():
                        path.unlink()
                    run(
                        getattr(options, side).absolute(),
                        [*arguments, f"--out={folder}", "--resume"],
                    )
            digests.append(digest(folder))
        same = digests[0] == digests[1] and digests[0]
        differing += not same
        print(f"{'same' if same else 'DIFFERS'}  {name}", flush=True)
    return 1 if differing else 0


def digest(folder: Path) -> dict[str, str]:
    """The hash of the pixels of each ``restored.png`` below a folder, by path.

    Not of the file, which holds the version and the settings too.
    """
    return {
        str(path.relative_to(folder)): hashlib.sha256(_pixels(path)).hexdigest()
        for path in sorted(folder.rglob("restored.png"))
    }


def _pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return f"{image.mode} {image.size} ".encode() + image.tobytes()


def run(checkout: Path, arguments: list[str]) -> None:
    """Runs the command of a checkout; on failure prints its output and continues."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-m", "dip_jax", "--backend=cpu", *arguments],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}", file=sys.stderr)


def make_pictures(folder: Path) -> None:
    """Writes the damaged pictures, the same ones each time."""
    (folder / "many").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    clean = data.astronaut()[30:94, 190:254]
    wide = data.astronaut()[30:110, 160:256]
    noisy = clean + 25 * random.normal(size=clean.shape)
    photons = 5 * random.poisson(clean / 5.0)
    text = np.full(clean.shape[:2], 255)
    text[20:23, 8:56] = text[40:44, 10:50] = text[10:50, 30:33] = 0
    scattered = 255 * (random.random(clean.shape[:2]) > 0.5)
    for name, picture in {
        "clean": clean,
        "noisy": noisy,
        "photons": photons,
        "grey": noisy[:, :, 1],
        "wide": wide + 25 * random.normal(size=wide.shape),
        "small": clean[8:40, 8:40],
        "text": text,
        "scattered": scattered,
        "many/noisy": noisy[:, ::-1],
        "many/other": noisy[::-1],
    }.items():
        pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.fromarray(clean).save(folder / "blocky.jpg", quality=10)


if __name__ == "__main__":
    sys.exit(main())
