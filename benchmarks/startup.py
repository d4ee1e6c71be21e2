"""What a user waits for before the first step: imports, and compiling with and without a cache.

  python -m benchmarks.startup --rounds=5

Every measurement is a process of its own. The imports are measured in turn, in rounds, after
one round not counted; differences are taken within a round. The first step is that of the
default command (256x256 pixels), ``--preset`` aside; its seconds count from the end of the
imports, and hold the making of its picture and the waking of the device. The first process
finds the cache of compiled programs empty, all others what it left.
"""

import functools
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.process import device_of, run_code
from benchmarks.subject import preset_named
from experiments.program import Table, define_common, publish, run_program

NAME = "startup"
NOTHING, OURS = "pass", "import dip_jax"
PEERS = ("import jax, flax.linen", "import jax, flax.linen, optax")
IMPORTS = (NOTHING, *PEERS, OURS, "import dip_jax.app.command")
TARGET = 0.2
FIRST_STEP = """
import json, sys, time
import dip_jax
from dip_jax.app import command
backend, preset, out = json.loads(sys.argv[1])
inner, ends = dip_jax.advance, []
def advance(*arguments, **options):
    result = inner(*arguments, **options)
    ends.append(time.perf_counter())
    return result
dip_jax.advance = advance  # the command takes its first step by it, alone
start = time.perf_counter()
code = command.main([f"--backend={backend}", f"--preset={preset}", "--steps=1", f"--out={out}"])
if code:
    sys.exit(code)
with open(f"{out}/run.json") as file:
    report = json.load(file)
print(json.dumps([ends[0] - start, report["seconds"]["compile"]]))
"""


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_integer("rounds", 5, "Measurements of each.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    preset = preset_named(values.preset, "--preset").name
    device = device_of(values.backend).description
    tables = [imports(values.rounds), first_steps(values.backend, preset, values.rounds)]
    publish(tables, f"benchmarks.{NAME}", argv, device, values.out)


def imports(rounds: int) -> Table:
    """Seconds of processes that import."""
    times: dict[str, list[float]] = {code: [] for code in IMPORTS}
    for number in range(rounds + 1):  # the first writes bytecode and fills the disk's cache
        for code in IMPORTS:
            seconds = run_code(code).seconds
            if number:
                times[code].append(seconds)
    rows = []
    for code, values in times.items():
        differences = [np.median(np.subtract(values, times[base])) for base in (NOTHING, *PEERS)]
        rows.append([code, *(f"{value:.3f}" for value in (np.median(values), *differences))])
    note = (
        f"Medians of {rounds} rounds, and of the differences in each. `{OURS}` beyond jax and "
        f"flax: asked {TARGET} s. `dip_jax.app` also needs absl, Pillow, scikit-image, tqdm and "
        "dm-pix, so far as it imports them at once."
    )
    columns = [
        "python -c",
        "seconds of the process",
        "beyond bare Python",
        "beyond jax and flax",
        "beyond jax, flax and optax",
    ]
    return Table("Importing", columns, rows, note)


def first_steps(backend: str, preset: str, rounds: int) -> Table:
    """Seconds until the first step is done, by the state of the cache."""
    with tempfile.TemporaryDirectory(prefix="dip_jax-startup-") as place:
        cache, records = Path(place) / "cache", []
        cache.mkdir()
        for number in range(rounds + 1):
            code = run_code(
                FIRST_STEP,
                *(backend, preset, f"{place}/out{number}"),
                environment={"JAX_COMPILATION_CACHE_DIR": str(cache)},
            )
            step, compiling = code.result
            records.append((step, compiling, code.seconds))
            if number == 0:
                cold_programs, cold_bytes = contents(cache)
        programs, _ = contents(cache)
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
        "of these, the report's compile_seconds",
        "whole process of a single step, s",
        "processes",
    ]
    return Table(f"First step, preset {preset}, 256x256", columns, rows, note)


def contents(cache: Path) -> tuple[int, int]:
    """Programs in a cache, and bytes of all its files."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    # Beside each program jax may keep the time of its last use.
    programs = [path for path in files if not path.name.endswith("-atime")]
    return len(programs), sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
