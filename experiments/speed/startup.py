"""What a user waits for before the first step: imports, and compilation with and without a cache.

  python -m experiments.speed.startup --rounds=5

Every measurement is a process of its own. The imports are measured in turn, after an untimed
round; differences are taken within a round. The first step is that of the default command
(256x256 pixels) with ``--preset``. Its seconds start after the imports and include making the
picture and initialising the device. The first process finds an empty cache of compiled programs,
all others a filled one.
"""

import functools
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from experiments.program import Table, define_common, publish, run_program
from experiments.speed.process import find_device, run_code
from experiments.speed.subject import find_denoising_preset

NAME = "startup"
NOTHING, OURS = "pass", "import dip_jax"
PEERS = ("import jax, flax.linen", "import jax, flax.linen, optax")
IMPORTS = (NOTHING, *PEERS, OURS, "import dip_jax.app.cli.command")
TARGET = 0.2
FIRST_STEP = """
import json, sys, time
import dip_jax
from dip_jax.app.cli import command
backend, preset, out = json.loads(sys.argv[1])
inner, ends = dip_jax.advance, []
def advance(*arguments, **options):
    result = inner(*arguments, **options)
    ends.append(time.perf_counter())
    return result
dip_jax.advance = advance  # the command's first step is a call of its own
start = time.perf_counter()
code = command.main([f"--backend={backend}", f"--preset={preset}", "--steps=1", f"--out={out}"])
if code:
    sys.exit(code)
with open(f"{out}/run.json") as file:
    report = json.load(file)
print(json.dumps([ends[0] - start, report["seconds"]["compile"]]))
"""


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_integer("rounds", 5, "Timed rounds.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    preset = find_denoising_preset(values.preset, "--preset").name
    device = find_device(values.backend).description
    tables = [
        measure_imports(values.rounds),
        measure_first_steps(values.backend, preset, values.rounds),
    ]
    publish(tables, f"experiments.speed.{NAME}", argv, device, values.out)


def measure_imports(rounds: int) -> Table:
    """Measures the seconds of processes that import."""
    times: dict[str, list[float]] = {code: [] for code in IMPORTS}
    for number in range(rounds + 1):  # round 0 writes bytecode and fills the disk cache
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
        f"flax: target {TARGET} s. `dip_jax.app` also imports absl, Pillow, scikit-image, tqdm and "
        "dm-pix, where it needs them at once."
    )
    columns = [
        "python -c",
        "seconds of the process",
        "beyond bare Python",
        "beyond jax and flax",
        "beyond jax, flax and optax",
    ]
    return Table("Importing", columns, rows, note)


def measure_first_steps(backend: str, preset: str, rounds: int) -> Table:
    """Measures the seconds until the first step is done, with an empty and a filled cache."""
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
                cold_programs, cold_bytes = count_programs(cache)
        programs, _ = count_programs(cache)
    warm = np.median(records[1:], axis=0)
    rows = [
        [kind, *(f"{seconds:.2f}" for seconds in record), count]
        for kind, record, count in (
            ("empty (one process)", records[0], 1),
            ("filled (median)", warm, rounds),
        )
    ]
    note = (
        f"The first process left {cold_programs} programs ({cold_bytes / 1e6:.2f} MB) in the "
        f"cache; the last left {programs}."
    )
    columns = [
        "cache of programs",
        "from imports to the end of the first step, s",
        "of these, the report's compile_seconds",
        "whole process of a single step, s",
        "processes",
    ]
    return Table(f"First step, preset {preset}, 256x256", columns, rows, note)


def count_programs(cache: Path) -> tuple[int, int]:
    """Counts the programs in a cache, and the bytes of all its files."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    # jax may store the time of last use beside each program.
    programs = [path for path in files if not path.name.endswith("-atime")]
    return len(programs), sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
