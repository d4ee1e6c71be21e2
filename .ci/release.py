"""Builds the wheel and the source archive, checks both, and tries the wheel without the repository.

  pip install build twine && python .ci/release.py          # in a temporary folder
  python .ci/release.py --out=dist                          # keeps them, for an upload

The wheel is installed into a fresh environment. There, in an empty folder, the command restores a
picture, and so does the call that notebooks use.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PACKAGES = ("dip_jax", "dip_jax_studio")
# Beside the packages; all but hatchling's own additions.
IN_ARCHIVE = ("docs", "examples", "experiments", "tests")
PICTURE = """
import sys
import numpy as np
from PIL import Image

ramp = np.linspace(40, 200, 32)[:, None, None] + np.zeros((32, 24, 3))
noise = np.random.default_rng(0).normal(0, 25, ramp.shape)
Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8)).save("noisy.png")
"""
CALL = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
import dip_jax
from dip_jax.app import restore

assert Path(dip_jax.__file__).is_relative_to(sys.prefix), dip_jax.__file__
with Image.open("noisy_restored.png") as picture:
    assert picture.size == (24, 32), picture.size
    settings = picture.text["dip-jax"]
assert '"denoise"' in settings, settings
result = restore(np.asarray(Image.open("noisy.png")), steps=2, sigma=25, progress=False)
assert result.image.shape == (32, 24, 3) and np.isfinite(result.image).all()
"""


def main() -> None:
    """Exits with 1 and one line at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the files [a temporary one]")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        out = flags.out or Path(work) / "dist"
        run(sys.executable, "-m", "build", "--outdir", out, ROOT)
        version = (ROOT / "dip_jax" / "__init__.py").read_text(encoding="utf-8")
        version = version.partition('__version__ = "')[2].partition('"')[0]
        wheel = out / f"dip_jax-{version}-py3-none-any.whl"
        archive = out / f"dip_jax-{version}.tar.gz"
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, archive)
        check_contents(wheel, archive)
        try_wheel(wheel, Path(work))
    print("the wheel and the source archive are fit for a release")


def check_contents(wheel: Path, archive: Path) -> None:
    """Compares the files in both with those that git tracks."""
    listed = run("git", "-C", ROOT, "ls-files", "-z", capture=True)
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    code = {name for name in tracked if name.split("/")[0] in PACKAGES}
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    facts = {name for name in names if ".dist-info/" in name}
    compare("the wheel", names - facts, code)
    needed = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    compare("the wheel's dist-info", {name.partition("/")[2] for name in facts}, needed)

    with tarfile.open(archive) as file:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in file.getnames()}
    top = {name for name in tracked if "/" not in name and name.endswith((".md", ".toml", ".cff"))}
    wanted = {name for name in tracked if name.split("/")[0] in IN_ARCHIVE} | code | top
    compare("the source archive", names - {"PKG-INFO"}, wanted | {"LICENSE", ".gitignore"})


def compare(what: str, found: set[str], wanted: set[str]) -> None:
    """Exits if two sets of names differ."""
    if found != wanted:
        sys.exit(
            f"{what} lacks {sorted(wanted - found)} and has {sorted(found - wanted)} beyond "
            "what git tracks"
        )


def try_wheel(wheel: Path, work: Path) -> None:
    """Installs the wheel into a fresh environment; runs the command and the call there."""
    venv.create(work / "venv", with_pip=True)
    programs = work / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel)
    folder = work / "pictures"
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # Compiled in haste: two steps are to be taken, not four hundred.
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu"}
    environment["JAX_COMPILATION_CACHE_DIR"] = str(work / "cache")
    for command in (
        [programs / "dip-jax", "--version"],
        [programs / "python", "-c", PICTURE],
        [programs / "dip-jax", "noisy.png", "--steps=2", "--sigma=25"],
        [programs / "python", "-c", CALL],
    ):
        run(*command, cwd=folder, env=environment)


def run(*words: str | Path, capture: bool = False, **options) -> str:
    """Runs a command; exits if it fails. Returns what it printed, if that is captured."""
    pipe = subprocess.PIPE if capture else None
    done = subprocess.run(
        [str(word) for word in words], check=False, text=True, stdout=pipe, **options
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(str(word) for word in words)[:200]}")
    return done.stdout or ""


if __name__ == "__main__":
    main()
