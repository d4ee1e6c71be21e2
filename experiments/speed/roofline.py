"""The share of the machine's limits that a step reaches, and where the rest goes.

  python -m experiments.speed.roofline --size=256 --preset=fast

The machine's limits are measured: float32 matrix products and 3x3 convolutions (forward) at jax's
default precision, and the bandwidth of ``x * 2 + 1`` in place on 256 MB.

A step's operations are those of its convolutions: the forward pass and two gradients, without the
gradient of the network's input. A 3x3 convolution after upsampling counts 16 of 36 products. Each
convolution is also timed alone, compiled by itself from ``dip_jax.generators``: padding, forward
pass and both gradients. Everything is measured in turn, after an untimed round; the table has
medians.
"""

import functools
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

from dip_jax.app.machine import choose_device
from dip_jax.generators.convolution import convolve
from experiments.program import Table, define_common, publish, run_program
from experiments.speed.layers import Layer, compile_layer, draw_arguments, find_layers
from experiments.speed.step import time_calls
from experiments.speed.subject import (
    check_size,
    find_denoising_preset,
    jit,
    make_state,
    make_step,
    make_subject,
)

NAME = "roofline"
BYTES = 256 * 2**20
CPU_SQUARES, OTHER_SQUARES = (512, 1024, 2048), (2048, 4096, 8192)
CONV_WIDTHS, CONV_SIZE, CONV_MOST = (64, 128), 128, 512
BANDWIDTH = "memory bandwidth"
CONVOLUTION = "3x3 convolution"
COLUMNS = (
    "part",
    "GFLOP a step",
    "seconds alone",
    "GFLOP/s reached",
    "share of the convolution peak",
    "share of the step's seconds",
)

Timer = Callable[[], float]


class Limit(NamedTuple):
    """A limit of the machine: ``work`` (operations or bytes) in the seconds of ``timer``."""

    name: str
    work: float
    timer: Timer


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_integer("size", 256, "Height and width.", lower_bound=32, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_integer("rounds", 5, "Measurements of each part.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    preset = find_denoising_preset(values.preset, "--preset")
    check_size("--size", values.size, preset)
    device = choose_device(values.backend)
    subject = make_subject(preset, values.size)
    step = make_step(subject.algorithm)
    state = make_state(subject)
    counted = step.lower(state, subject.task).compile().cost_analysis()
    counts = Counter(find_layers(subject.generator, subject.example))
    limits = make_limits(values.size)
    timers = [
        *(limit.timer for limit in limits),
        make_call_timer(lambda x: x + 1, jax.numpy.zeros(())),
        make_step_timer(step, state, subject.task),
        *map(make_layer_timer, counts),
    ]
    seconds = measure_medians(timers, values.rounds)
    rates = [limit.work / second / 1e9 for limit, second in zip(limits, seconds, strict=False)]
    reached = {limit.name: rate for limit, rate in zip(limits, rates, strict=True)}
    start, whole, *alone = seconds[len(limits) :]
    peak = max(rate for name, rate in reached.items() if name.startswith(CONVOLUTION))
    parts = sum_by_kind(counts, alone)
    work, total = (sum(part[i] for part in parts.values()) for i in (0, 1))
    moved = counted.get("bytes accessed", np.nan)
    crossing = moved / reached[BANDWIDTH] / 1e9
    note = (
        f"Alone, the convolutions take {total / whole:.0%} of the step's seconds, at "
        f"{work / total / peak:.0%} of the convolution peak; at the peak they would take "
        f"{work / peak:.5f} s, {work / peak / whole:.0%} of the step. Everything else is the "
        f"remaining {1 - total / whole:.0%}; moving the bytes that XLA counts for the whole "
        f"step would take {crossing / whole:.0%} of the step at the measured bandwidth. "
        f"Starting a program takes {start:.6f} s, and {len(alone)} different convolutions were "
        "started alone."
    )
    tables = [
        Table("Limits of the machine", ("what", "GFLOP/s, or GB/s"), _format_rows(reached, ".1f")),
        Table(
            f"A step of the preset {preset.name}, {values.size}x{values.size}",
            COLUMNS,
            make_step_rows(parts, whole, peak),
            note,
        ),
        Table(
            "The compiled step as XLA counts it",
            ("what", "value"),
            _format_rows(
                {
                    "GFLOP": counted.get("flops", np.nan) / 1e9,
                    "GB accessed": moved / 1e9,
                    "GB accessed / bandwidth, s": crossing,
                },
                ".4f",
            ),
        ),
    ]
    publish(tables, f"experiments.speed.{NAME}", argv, device, values.out)


def make_limits(size: int) -> list[Limit]:
    """Makes timers of the machine's limits: products, convolutions, bandwidth."""
    normal = functools.partial(jax.random.normal, jax.random.key(0, impl="rbg"))
    limits = []
    for side in CPU_SQUARES if jax.default_backend() == "cpu" else OTHER_SQUARES:
        timer = make_call_timer(jax.numpy.matmul, normal((side, side)), normal((side, side)))
        limits.append(Limit(f"matrix product, {side}", 2 * side**3, timer))
    for width in CONV_WIDTHS:
        for side in sorted({CONV_SIZE, min(size, CONV_MOST)}):
            timer = make_call_timer(
                convolve, normal((side, side, width)), normal((3, 3, width, width))
            )
            name = f"{CONVOLUTION}, {width} to {width} channels, {side}x{side}"
            limits.append(Limit(name, 2 * 9 * width**2 * side**2, timer))
    # -1 is the fixed point of x * 2 + 1.
    kept = {"x": jax.numpy.full(BYTES // 4, -1.0)}
    double = jit(lambda x: x * 2 + 1, donate_argnums=0)

    def cross() -> Any:
        kept["x"] = double(kept["x"])
        return kept["x"]

    return [*limits, Limit(BANDWIDTH, 2 * BYTES, functools.partial(_time, cross))]


def make_call_timer(function: Callable, *arguments: Any) -> Timer:
    """Makes a timer of a compiled function."""
    return functools.partial(_time, functools.partial(jit(function), *arguments))


def make_step_timer(step: Any, state: Any, task: Any) -> Timer:
    """Makes a timer of the step, whose state is donated."""
    kept = {"state": state}

    def call() -> Any:
        kept["state"], record = step(kept["state"], task)
        return record

    return functools.partial(_time, call)


def make_layer_timer(layer: Layer) -> Timer:
    """Makes a timer of a convolution alone; its arrays are freed after each call."""

    def measure() -> float:
        arguments = jax.block_until_ready(draw_arguments(layer))
        return _time(functools.partial(compile_layer(layer), *arguments))

    return measure


def measure_medians(timers: list[Timer], rounds: int) -> list[float]:
    """Measures the timers in turn, after an untimed round; returns their median seconds."""
    records = [[timer() for timer in timers] for _ in range(rounds + 1)]
    return list(np.median(records[1:], axis=0))


def sum_by_kind(counts: Counter[Layer], seconds: list[float]) -> dict[str, tuple[float, float]]:
    """Sums GFLOP and seconds per step by kind of convolution, most GFLOP first."""
    sums: dict[str, tuple[float, float]] = {}
    for (layer, count), second in zip(counts.items(), seconds, strict=True):
        work, total = sums.get(layer.kind, (0.0, 0.0))
        work += count * layer.operations_a_step / 1e9
        sums[layer.kind] = (work, total + count * second)
    return dict(sorted(sums.items(), key=lambda item: -item[1][0]))


def make_step_rows(
    parts: dict[str, tuple[float, float]], whole: float, peak: float
) -> list[list[str]]:
    """Makes the table's rows: each kind, everything else, and the whole step."""
    work, total = (sum(part[i] for part in parts.values()) for i in (0, 1))
    rows = [
        [name, f"{gflop:.3f}", f"{seconds:.5f}", f"{gflop / seconds:.1f}",
         f"{gflop / seconds / peak:.1%}", f"{seconds / whole:.1%}"]
        for name, (gflop, seconds) in [*parts.items(), ("the whole step", (work, whole))]
    ]  # fmt: skip
    rest = whole - total
    rows.insert(-1, ["everything else", "-", f"{rest:.5f}", "-", "-", f"{rest / whole:.1%}"])
    return rows


def _time(call: Callable[[], Any]) -> float:
    # An accelerator runs calls one by one, and each start is costly; a CPU may overlap calls.
    times = 1 if jax.default_backend() == "cpu" else 10
    return time_calls(call, times, jax.block_until_ready)


def _format_rows(values: dict[str, float], form: str) -> list[list[str]]:
    return [[name, format(value, form)] for name, value in values.items()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
