"""Peak memory and seconds of a step against the size of the picture.

  python -m benchmarks.memory --presets=fast,paper --sizes=64,128,256,512,1024

Every row is a process of its own, which compiles the step anew. Memory is told in three ways:
by XLA for the compiled step (arguments, results and temporary buffers); as the peak of the
process, beyond that of one which only imports and wakes the device; and as what the steps add
to what the process holds after compiling. On a CPU this is resident memory of the process,
where compiling has its own peak; on an accelerator the device's memory in use.
"""

import functools
import sys
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

from benchmarks.process import run_code
from benchmarks.subject import check_size, jit, preset_named, step_of, subject_of
from benchmarks.usage import forget_peak, held_bytes, peak_bytes
from dip_jax.app.device import choose_device
from dip_jax.app.memory import available_bytes
from experiments.program import Table, define_common, integers, publish, run_program

NAME = "memory"
SHARE = 0.8
"""Of the memory that is available, what a row may need without --limit_gb."""
CODE = """
import json, sys
from benchmarks import memory
print(json.dumps(memory.{}(*json.loads(sys.argv[1]))))
"""
COLUMNS = (
    "preset and size",
    "XLA's analysis, MB",
    "process that only imports, MB",
    "peak, MB",
    "peak beyond importing, MB",
    "of it before the first step, MB",
    "added by steps, MB",
    "compile, s",
    "seconds a step",
)


class Measured(NamedTuple):
    """A row, in bytes and seconds."""

    size: int
    analysis: int
    added: int | None
    seconds: float


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("presets", ["fast", "paper"], "Presets for denoising.", **text)
    flags.DEFINE_list("sizes", ["64", "128", "256", "512", "1024"], "Heights and widths.", **text)
    flags.DEFINE_integer("rounds", 5, "Steps timed; the median counts.", lower_bound=1, **text)
    flags.DEFINE_float(
        "limit_gb", None, "Leave out what needs more [80 % of available].", lower_bound=0, **text
    )
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sizes = integers("--sizes", values.sizes, least=32)
    for name in values.presets:
        for size in sizes:
            check_size("--sizes", size, preset_named(name, "--presets"))
    idle = run_code(CODE.format("idle"), values.backend).result
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
                notes.append(f"{label}: not run: needs about {result['needs'] / 1e9:.1f} GB")
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
            rows.append([label, *map(_mb, sums), *times])
            print(" ".join(rows[-1]), file=sys.stderr)
        costs.append([name, *growth(measured)])
    tables = [
        Table("Memory and time of a step", COLUMNS, rows, "  \n".join(notes)),
        Table("Growth with the number of pixels", ("preset", *GROWTH), costs, GROWTH_NOTE),
    ]
    publish(tables, f"benchmarks.{NAME}", argv, idle["device"], values.out)


GROWTH = (
    "sizes",
    "exponent of seconds",
    "exponent of XLA's analysis",
    "exponent of what steps add",
    "XLA's analysis, MB per megapixel",
    "added by steps, MB per megapixel",
)
GROWTH_NOTE = (
    "Exponents: slope of the logarithm against that of the pixels, by least squares over the "
    "sizes. Per megapixel: at the largest size."
)


def growth(measured: list[Measured]) -> list[str]:
    """Exponents over the sizes, and memory per megapixel at the largest."""
    if not measured:
        return ["none", *["-"] * (len(GROWTH) - 1)]
    pixels = [row.size**2 for row in measured]
    largest = max(measured)
    return [
        " ".join(str(row.size) for row in measured),
        exponent(pixels, [row.seconds for row in measured]),
        exponent(pixels, [row.analysis for row in measured]),
        exponent(pixels, [row.added for row in measured]),
        *(_mb(None if b is None else b * 1e6 / largest.size**2) for b in largest[1:3]),
    ]


def exponent(pixels: list[int], values: list[Any]) -> str:
    """The slope in double logarithmic scale; "-" where two points do not exist."""
    if len(set(pixels)) < 2 or not all(values) or min(values) < 0:
        return "-"
    return f"{np.polyfit(np.log(pixels), np.log(values), 1)[0]:.2f}"


def idle(backend: str) -> dict[str, Any]:
    """In a process of its own: what importing takes, and what there is."""
    device = choose_device(backend)
    jax.block_until_ready(jax.numpy.zeros(()))
    return {"device": device, "peak": peak_bytes(), "available": available_bytes()}


def measure(name: str, size: int, backend: str, limit: float, rounds: int) -> dict[str, Any]:
    """In a process of its own: one row in bytes and seconds, or what it ``needs``."""
    choose_device(backend)
    jax.config.update("jax_enable_compilation_cache", False)  # loading has another peak
    subject = subject_of(preset_named(name, "--presets"), size)
    arguments = (jax.random.key(0), subject.task, subject.z)
    state = jax.eval_shape(subject.algorithm.init, *arguments)
    start = time.perf_counter()
    step = step_of(subject.algorithm).lower(state, subject.task).compile()
    seconds = time.perf_counter() - start
    parts = step.memory_analysis()
    analysis = (
        parts.temp_size_in_bytes
        + parts.argument_size_in_bytes
        + parts.output_size_in_bytes
        - parts.alias_size_in_bytes
    )
    if analysis + held_bytes() > limit:
        return {"needs": analysis + held_bytes()}
    init = jit(subject.algorithm.init).lower(*arguments).compile()
    before, held, forgotten = peak_bytes(), held_bytes(), forget_peak()
    state, record = step(init(*arguments), subject.task)
    state, record = step(state, subject.task)
    jax.block_until_ready(record)
    peak = peak_bytes()
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


def _mb(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
