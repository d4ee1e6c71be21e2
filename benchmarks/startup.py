"""What a user waits for before the first step: imports, and compiling with and without a cache.

  python -m benchmarks.startup --rounds=5

Every measurement is a process of its own. The imports are measured in turn, in rounds, after
one round not counted. The first step is that of the default command's fit
(``dip_jax.app.fitting.restore``) on a synthetic picture; its seconds count from the end of
the imports, and hold the waking of the device. The first process finds the cache of compiled
programs empty, all others what it left.
"""

import functools
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.process import run_code
from benchmarks.subject import preset_named
from experiments.program import Table, define_common, publish, run_program

NAME = "startup"
NOTHING, PEERS, OURS = "pass", "import jax, flax.linen, optax", "import dip_jax"
IMPORTS = (NOTHING, PEERS, OURS, "import dip_jax.app.fitting", "import dip_jax.app.command")
BEYOND = "dip_jax beyond jax + flax + optax"
TARGET = 0.2
FIRST_STEP = """
import json, sys, time
import numpy as np
from dip_jax.app.device import choose_device
from dip_jax.app.fitting import restore
backend, preset, size = json.loads(sys.argv[1])
picture = np.random.default_rng(0).random((size, size, 3), np.float32)
start = time.perf_counter()
device = choose_device(backend)
result = restore(picture, preset=preset, steps=1, progress=False)
seconds = time.perf_counter() - start
print(json.dumps([device, seconds, result.compile_seconds]))
"""


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_integer("size", 256, "Height and width.", lower_bound=32, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_integer("rounds", 5, "Measurements of each.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    preset = preset_named(values.preset, "--preset").name
    # First: it ends at once if there is no such device.
    device, steps = first_steps(values.backend, preset, values.size, values.rounds)
    publish([imports(values.rounds), steps], f"benchmarks.{NAME}", argv, device, values.out)


def imports(rounds: int) -> Table:
    """Seconds of processes that import."""
    times: dict[str, list[float]] = {code: [] for code in IMPORTS}
    for number in range(rounds + 1):  # the first writes bytecode and fills the disk's cache
        for code in IMPORTS:
            seconds = run_code(code).seconds
            if number:
                times[code].append(seconds)
    medians = {code: float(np.median(values)) for code, values in times.items()}
    bare, beyond = medians[NOTHING], medians[OURS] - medians[PEERS]
    rows = [[code, f"{value:.3f}", f"{value - bare:.3f}"] for code, value in medians.items()]
    rows.append([BEYOND, f"{beyond:.3f}", f"{beyond:.3f}"])
    note = (
        f"Medians of {rounds} processes each; the last row is a difference of medians, target "
        f"{TARGET} s. `dip_jax.app` also needs absl, Pillow, scikit-image, tqdm and dm-pix, so "
        "far as it imports them at once."
    )
    columns = ["python -c", "seconds of the process", "beyond bare Python"]
    return Table("Importing", columns, rows, note)


def first_steps(backend: str, preset: str, size: int, rounds: int) -> tuple[str, Table]:
    """The device, and seconds until the first step is done, by the state of the cache."""
    with tempfile.TemporaryDirectory(prefix="dip_jax-startup-") as cache:
        records = []
        for number in range(rounds + 1):
            code = run_code(
                FIRST_STEP,
                *(backend, preset, size),
                environment={"JAX_COMPILATION_CACHE_DIR": cache},
            )
            device, step, compiling = code.result
            records.append((step, compiling, code.seconds))
            if number == 0:
                cold_programs, cold_bytes = contents(Path(cache))
        programs, _ = contents(Path(cache))
    warm = np.median(records[1:], axis=0)
    rows = [
        [kind, *(f"{seconds:.2f}" for seconds in record), count]
        for kind, record, count in (
            ("empty (one process)", records[0], 1),
            ("filled (median)", warm, rounds),
        )
    ]
    note = (
        f"The first process left {cold_programs} programs, {cold_bytes / 1e6:.2f} MB, in the "
        f"cache; at the end there were {programs}."
    )
    columns = [
        "cache of programs",
        "from imports to the end of the first step, s",
        "of these, restore's compile_seconds",
        "whole process, s",
        "processes",
    ]
    return device, Table(f"First step, preset {preset}, {size}x{size}", columns, rows, note)


def contents(cache: Path) -> tuple[int, int]:
    """Programs in a cache, and bytes of all its files."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    # Beside each program jax may keep the time of its last use.
    programs = [path for path in files if not path.name.endswith("-atime")]
    return len(programs), sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
