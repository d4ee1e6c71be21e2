"""The cost of loops: ways to take steps, against the bare jitted step.

  python -m experiments.speed.loop --size=128 --kinds=device,scan,map,ensemble,together,sharded

``device`` is :func:`dip_jax.advance`, whose chunks are compiled loops. ``scan`` is a user's own
``jax.lax.scan`` over the algorithm's step; ``map`` is a user's ``jax.lax.map`` of the step over
``--fits`` fits. Three kinds are :func:`dip_jax.advance` of several fits: ``ensemble`` runs them
one after the other, ``together`` in shared operations, ``sharded`` one per device (on a CPU the
devices share its cores; measured on request only).

Seconds are per step and fit. The bare step, compiled and called by a Python loop, is always
measured. All kinds take turns in one run.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import UserError
from dip_jax.app.machine import choose_devices
from dip_jax.layout import canonical
from experiments.program import Table, define_common, publish, run_program
from experiments.speed.subject import (
    Subject,
    check_size,
    find_denoising_preset,
    jit,
    make_state,
    make_subject,
)

NAME = "loop"


class Kind(NamedTuple):
    """A way to take steps."""

    name: str
    start: Callable[[], Any]
    """Makes the initial state."""
    advance: Callable[[Any], Any]
    """Takes ``--steps`` steps of each fit in a state, and waits for the result."""
    fits: int = 1


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_integer("size", 128, "Height and width.", lower_bound=64, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_list("kinds", list(KINDS)[:-1], "Some of " + ", ".join(KINDS) + ".", **text)
    flags.DEFINE_integer(
        "fits", 2, "Number of fits, for kinds with several.", lower_bound=2, **text
    )
    flags.DEFINE_integer("steps", 10, "Steps per measurement.", lower_bound=1, **text)
    flags.DEFINE_integer("rounds", 7, "Measurements per kind.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for name in values.kinds:
        if name not in KINDS:
            raise UserError("--kinds", name, "is unknown; there are " + ", ".join(KINDS))
    preset = find_denoising_preset(values.preset, "--preset")
    check_size("--size", values.size, preset)
    several = values.fits if "sharded" in values.kinds else 1
    device = choose_devices(values.backend, several).description
    subject, steps, fits = make_subject(preset, values.size), values.steps, values.fits
    kinds = [
        _make_bare(subject, steps),
        *(KINDS[name](subject, steps, fits) for name in values.kinds),
    ]
    times = interleave(kinds, steps, values.rounds)
    base = np.median(times[0])
    rows = [
        [kind.name, f"{np.median(seconds):.5f}", f"{np.median(seconds) / base:.3f}"]
        for kind, seconds in zip(kinds, times, strict=True)
    ]
    title = f"Seconds a step of the preset {preset.name}, {values.size}x{values.size}"
    note = f"Medians of {values.rounds} measurements of {steps} steps."
    table = Table(title, ["loop", "seconds a step", "over the bare step"], rows, note)
    publish([table], f"experiments.speed.{NAME}", argv, device, values.out)


def interleave(kinds: list[Kind], steps: int, rounds: int) -> list[list[float]]:
    """Measures seconds per step and fit of each kind in each round, after an untimed round."""
    states = [kind.advance(kind.start()) for kind in kinds]
    times: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for index, kind in enumerate(kinds):
            start = time.perf_counter()
            states[index] = kind.advance(states[index])
            times[index].append((time.perf_counter() - start) / (steps * kind.fits))
    return times


def _make_bare(subject: Subject, steps: int) -> Kind:
    step = jit(subject.algorithm.step, donate_argnums=0)

    def advance(state: Any) -> Any:
        for _ in range(steps):
            state, info = step(state, subject.task)
        jax.block_until_ready(info.loss)
        return state

    return Kind("bare jitted step", functools.partial(make_state, subject), advance)


def _make_advance(subject: Subject, steps: int, fits: int) -> Kind:
    del fits  # always one

    def advance(state: Any) -> Any:
        return dip_jax.advance(
            subject.algorithm,
            state,
            subject.task,
            steps=steps,
            every=steps,
        )[0]

    return Kind("dip_jax.advance", functools.partial(make_state, subject), advance)


def _make_scan(subject: Subject, steps: int, fits: int) -> Kind:
    del fits  # always one

    def scan(state: Any, task: dip_jax.Task) -> Any:
        def body(state: Any, _: None) -> Any:
            state, info = subject.algorithm.step(state, task)
            return state, info.loss

        return jax.lax.scan(body, state, None, length=steps)

    compiled = _jit_loop(scan)

    def advance(state: Any) -> Any:
        state, losses = compiled(state, subject.task)
        jax.block_until_ready(losses)
        return state

    return Kind("jax.lax.scan over steps", functools.partial(make_state, subject), advance)


def _make_map(subject: Subject, steps: int, fits: int) -> Kind:
    def map_(states: Any, task: dip_jax.Task) -> Any:
        def one(state: Any) -> Any:
            state, info = subject.algorithm.step(state, task)
            return state, info.loss

        return jax.lax.map(one, states)

    compiled = _jit_loop(map_)

    def start() -> Any:
        states = [make_state(subject, seed) for seed in range(fits)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

    def advance(states: Any) -> Any:
        for _ in range(steps):
            states, losses = compiled(states, subject.task)
        jax.block_until_ready(losses)
        return states

    return Kind(f"jax.lax.map over {fits} fits, one", start, advance, fits=fits)


def _make_ensemble(
    subject: Subject,
    steps: int,
    fits: int,
    spread: Callable[[Any, int], dip_jax.Algorithm],
    name: str,
) -> Kind:
    algorithm = spread(subject.algorithm, fits)

    def stacked(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.stack([leaf] * fits), tree)

    def start() -> Any:
        arguments = (jax.random.split(jax.random.key(0), fits), stacked(subject.task))
        return dip_jax.run(algorithm, *arguments, stacked(subject.z), steps=0)[0]

    def advance(states: Any) -> Any:
        return dip_jax.advance(algorithm, states, stacked(subject.task), steps=steps, every=steps)[
            0
        ]

    return Kind(f"{name} {fits} fits, one", start, advance, fits=fits)


def _spread_in_turn(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    del fits  # it runs all it is given
    return dip_jax.ensemble(fit)


def _spread_together(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    return dip_jax.ensemble(fit, together=fits)


def _spread_sharded(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    return dip_jax.sharded(dip_jax.ensemble(fit), jax.local_devices()[:fits])


def _jit_loop(function: Callable) -> Any:
    """Compiles a user's own loop, with ``canonical`` on a CPU."""
    on_cpu = jax.default_backend() == "cpu"
    return jit(canonical(function) if on_cpu else function, donate_argnums=0)


KINDS: dict[str, Callable[[Subject, int, int], Kind]] = {
    "device": _make_advance,
    "scan": _make_scan,
    "map": _make_map,
    "ensemble": functools.partial(_make_ensemble, spread=_spread_in_turn, name="ensemble of"),
    "together": functools.partial(
        _make_ensemble, spread=_spread_together, name="ensemble, together, of"
    ),
    "sharded": functools.partial(
        _make_ensemble, spread=_spread_sharded, name="sharded ensemble of"
    ),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
