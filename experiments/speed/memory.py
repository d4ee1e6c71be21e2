"""Peak memory and seconds per step, against the size of the picture.

  python -m experiments.speed.memory --presets=fast,paper --sizes=64,128,256,512,1024

Every row is a process of its own, which compiles the step again. Memory is measured in three ways:

* by XLA's analysis of the compiled step: arguments, results and temporary buffers;
* as the peak of the process, above that of a process that only imports and initialises the device;
* as what the steps add to what the process holds after compilation.

On a CPU this is the resident memory of the process, which compilation makes peak too; on an
accelerator it is the device's memory in use.
"""

import functools
import sys
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

from dip_jax.app.machine import available_bytes, choose_device
from experiments.program import Table, define_common, parse_integers, publish, run_program
from experiments.speed.process import run_code
from experiments.speed.subject import (
    check_size,
    find_denoising_preset,
    jit,
    make_step,
    make_subject,
)
from experiments.speed.usage import read_held, read_peak, reset_peak

NAME = "memory"
SHARE = 0.8
"""Share of the available memory that a row may need, without --limit_gb."""
CODE = """
import json, sys
from experiments.speed import memory
print(json.dumps(memory.{}(*json.loads(sys.argv[1]))))
"""
COLUMNS = (
    "preset and size",
    "XLA's analysis, MB",
    "process that only imports, MB",
    "peak, MB",
    "peak beyond importing, MB",
    "before the first step, MB",
    "added by steps, MB",
    "compile, s",
    "seconds a step",
)


class Measured(NamedTuple):
    """A row in bytes and seconds."""

    size: int
    analysis: int
    added: int | None
    seconds: float


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("presets", ["fast", "paper"], "Presets for denoising.", **text)
    flags.DEFINE_list("sizes", ["64", "128", "256", "512", "1024"], "Heights and widths.", **text)
    flags.DEFINE_integer("rounds", 5, "Timed steps; the median counts.", lower_bound=1, **text)
    flags.DEFINE_float(
        "limit_gb",
        None,
        "Skip rows that need more; default: 80 % of the available memory.",
        lower_bound=0,
        **text,
    )
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sizes = parse_integers("--sizes", values.sizes, least=32)
    for name in values.presets:
        for size in sizes:
            check_size("--sizes", size, find_denoising_preset(name, "--presets"))
    idle = run_code(CODE.format("measure_idle"), values.backend).result
    limit = SHARE * idle["available"] if values.limit_gb is None else 1e9 * values.limit_gb
    rows, costs, notes = [], [], [f"Limit: {limit / 1e9:.3g} GB."]
    for name in values.presets:
        measured = []
        for size in sizes:
            label = f"{name} {size}x{size}"
            try:
                result = run_code(
                    CODE.format("measure"), *(name, size, values.backend, limit, values.rounds)
                ).result
            except ChildProcessError as error:
                notes.append(f"{label}: did not run ({error})")
                continue
            if "seconds" not in result:
                notes.append(f"{label}: skipped: needs about {result['needs'] / 1e9:.1f} GB")
                continue
            measured.append(Measured(size, result["analysis"], result["added"], result["seconds"]))
            sums = (
                result["analysis"],
                idle["peak"],
                result["peak"],
                result["peak"] - idle["peak"],
                result["before"] - idle["peak"],
                result["added"],
            )
            times = (f"{result['compile']:.1f}", f"{result['seconds']:.5f}")
            rows.append([label, *map(_format_mb, sums), *times])
            print(" ".join(rows[-1]), file=sys.stderr)
        costs.append([name, *fit_growth(measured)])
    tables = [
        Table("Memory and time of a step", COLUMNS, rows, "  \n".join(notes)),
        Table("Growth with the number of pixels", ("preset", *GROWTH), costs, GROWTH_NOTE),
    ]
    publish(tables, f"experiments.speed.{NAME}", argv, idle["device"], values.out)


GROWTH = (
    "sizes",
    "exponent of seconds",
    "exponent of XLA's analysis",
    "exponent of memory added by steps",
    "XLA's analysis, MB per megapixel",
    "added by steps, MB per megapixel",
)
GROWTH_NOTE = (
    "Exponents: slope in a log-log plot against the number of pixels, by least squares over the "
    "sizes. Per megapixel: at the largest size."
)


def fit_growth(measured: list[Measured]) -> list[str]:
    """Formats the exponents over the sizes, and the memory per megapixel at the largest."""
    if not measured:
        return ["none", *["-"] * (len(GROWTH) - 1)]
    pixels = [row.size**2 for row in measured]
    largest = max(measured)
    return [
        " ".join(str(row.size) for row in measured),
        fit_exponent(pixels, [row.seconds for row in measured]),
        fit_exponent(pixels, [row.analysis for row in measured]),
        fit_exponent(pixels, [row.added for row in measured]),
        *(_format_mb(None if b is None else b * 1e6 / largest.size**2) for b in largest[1:3]),
    ]


def fit_exponent(pixels: list[int], values: list[Any]) -> str:
    """Fits the slope in a log-log plot; "-" with fewer than two points."""
    if len(set(pixels)) < 2 or not all(values) or min(values) < 0:
        return "-"
    return f"{np.polyfit(np.log(pixels), np.log(values), 1)[0]:.2f}"


def measure_idle(backend: str) -> dict[str, Any]:
    """Measures, in a process of its own, the memory after imports and the memory available."""
    device = choose_device(backend)
    jax.block_until_ready(jax.numpy.zeros(()))
    return {"device": device, "peak": read_peak(), "available": available_bytes()}


def measure(name: str, size: int, backend: str, limit: float, rounds: int) -> dict[str, Any]:
    """Measures, in a process of its own, one row; or returns what it ``needs``."""
    choose_device(backend)
    jax.config.update("jax_enable_compilation_cache", False)  # loading a program has another peak
    subject = make_subject(find_denoising_preset(name, "--presets"), size)
    arguments = (jax.random.key(0), subject.task, subject.z)
    state = jax.eval_shape(subject.algorithm.init, *arguments)
    start = time.perf_counter()
    step = make_step(subject.algorithm).lower(state, subject.task).compile()
    seconds = time.perf_counter() - start
    parts = step.memory_analysis()
    analysis = (
        parts.temp_size_in_bytes
        + parts.argument_size_in_bytes
        + parts.output_size_in_bytes
        - parts.alias_size_in_bytes
    )
    if analysis + read_held() > limit:
        return {"needs": analysis + read_held()}
    init = jit(subject.algorithm.init).lower(*arguments).compile()
    before, held, forgotten = read_peak(), read_held(), reset_peak()
    state, record = step(init(*arguments), subject.task)
    state, record = step(state, subject.task)
    jax.block_until_ready(record)
    peak = read_peak()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        state, record = step(state, subject.task)
        jax.block_until_ready(record)
        times.append(time.perf_counter() - start)
    return {
        "analysis": analysis,
        "compile": seconds,
        "before": before,
        "peak": max(peak, before),
        "added": peak - held if forgotten or peak > before else None,
        "seconds": float(np.median(times)),
    }


def _format_mb(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
