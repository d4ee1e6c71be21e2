"""What the loop costs: ways to take steps against the bare jitted step, interleaved in one run.

  python -m benchmarks.loop --size=128 --kinds=device,scan,map,ensemble,together,sharded

``device`` is :func:`dip_jax.advance`, whose chunks are compiled loops.
``scan`` is a user's own ``jax.lax.scan`` over the algorithm's step, ``map`` a user's
``jax.lax.map`` of it over ``--fits`` fits. ``ensemble`` is :func:`dip_jax.advance` of these one
after the other, ``together`` of all that share their operations, ``sharded`` of one on each of
as many devices (on a CPU they share its cores; not measured unless asked for). The seconds of
several fits are those of one. The bare step, compiled and called by a Python loop, is always
measured.
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
from benchmarks.subject import (
    Subject,
    check_size,
    initial_state,
    jit,
    preset_named,
    subject_of,
)
from dip_jax.app.device import choose_devices
from dip_jax.app.errors import UserError
from dip_jax.layout import canonical
from experiments.program import Table, define_common, publish, run_program

NAME = "loop"


class Kind(NamedTuple):
    """One way to take steps."""

    name: str
    start: Callable[[], Any]
    """Makes the state."""
    advance: Callable[[Any], Any]
    """Takes ``--steps`` steps of each fit in a state, and waits for them."""
    fits: int = 1


def define(values: flags.FlagValues) -> None:
    """The program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_integer("size", 128, "Height and width.", lower_bound=64, **text)
    flags.DEFINE_string("preset", "fast", "A preset for denoising.", **text)
    flags.DEFINE_list("kinds", list(KINDS)[:-1], "Of " + ", ".join(KINDS) + ".", **text)
    flags.DEFINE_integer("fits", 2, "Of the kinds with several.", lower_bound=2, **text)
    flags.DEFINE_integer("steps", 10, "Steps in one measurement.", lower_bound=1, **text)
    flags.DEFINE_integer("rounds", 7, "Measurements of each.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for name in values.kinds:
        if name not in KINDS:
            raise UserError("--kinds", name, "is unknown; there are " + ", ".join(KINDS))
    preset = preset_named(values.preset, "--preset")
    check_size("--size", values.size, preset)
    several = values.fits if "sharded" in values.kinds else 1
    device = choose_devices(values.backend, several).description
    subject, steps, fits = subject_of(preset, values.size), values.steps, values.fits
    kinds = [_bare(subject, steps), *(KINDS[name](subject, steps, fits) for name in values.kinds)]
    times = interleave(kinds, steps, values.rounds)
    base = np.median(times[0])
    rows = [
        [kind.name, f"{np.median(seconds):.5f}", f"{np.median(seconds) / base:.3f}"]
        for kind, seconds in zip(kinds, times, strict=True)
    ]
    title = f"Seconds a step of the preset {preset.name}, {values.size}x{values.size}"
    note = f"Medians of {values.rounds} measurements of {steps} steps."
    table = Table(title, ["loop", "seconds a step", "over the bare step"], rows, note)
    publish([table], f"benchmarks.{NAME}", argv, device, values.out)


def interleave(kinds: list[Kind], steps: int, rounds: int) -> list[list[float]]:
    """Seconds a step and fit, of each kind in each round, after a round that compiles."""
    states = [kind.advance(kind.start()) for kind in kinds]
    times: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for index, kind in enumerate(kinds):
            start = time.perf_counter()
            states[index] = kind.advance(states[index])
            times[index].append((time.perf_counter() - start) / (steps * kind.fits))
    return times


def _bare(subject: Subject, steps: int) -> Kind:
    step = jit(subject.algorithm.step, donate_argnums=0)

    def advance(state: Any) -> Any:
        for _ in range(steps):
            state, info = step(state, subject.task)
        jax.block_until_ready(info.loss)
        return state

    return Kind("bare jitted step", functools.partial(initial_state, subject), advance)


def _advance(subject: Subject, steps: int, fits: int) -> Kind:
    del fits  # one

    def advance(state: Any) -> Any:
        return dip_jax.advance(
            subject.algorithm,
            state,
            subject.task,
            steps=steps,
            every=steps,
        )[0]

    return Kind("dip_jax.advance", functools.partial(initial_state, subject), advance)


def _scan(subject: Subject, steps: int, fits: int) -> Kind:
    del fits  # one

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

    return Kind("jax.lax.scan over steps", functools.partial(initial_state, subject), advance)


def _map(subject: Subject, steps: int, fits: int) -> Kind:
    def map_(states: Any, task: dip_jax.Task) -> Any:
        def one(state: Any) -> Any:
            state, info = subject.algorithm.step(state, task)
            return state, info.loss

        return jax.lax.map(one, states)

    compiled = _jit_loop(map_)

    def start() -> Any:
        states = [initial_state(subject, seed) for seed in range(fits)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

    def advance(states: Any) -> Any:
        for _ in range(steps):
            states, losses = compiled(states, subject.task)
        jax.block_until_ready(losses)
        return states

    return Kind(f"jax.lax.map over {fits} fits, one", start, advance, fits=fits)


def _ensemble(
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


def _in_turn(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    del fits  # as many as there are
    return dip_jax.ensemble(fit)


def _together(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    return dip_jax.ensemble(fit, together=fits)


def _sharded(fit: dip_jax.Algorithm, fits: int) -> dip_jax.Algorithm:
    return dip_jax.sharded(dip_jax.ensemble(fit), jax.local_devices()[:fits])


def _jit_loop(function: Callable) -> Any:
    """As docs/performance.md tells users to compile loops of their own."""
    on_cpu = jax.default_backend() == "cpu"
    return jit(canonical(function) if on_cpu else function, donate_argnums=0)


KINDS: dict[str, Callable[[Subject, int, int], Kind]] = {
    "device": _advance,
    "scan": _scan,
    "map": _map,
    "ensemble": functools.partial(_ensemble, spread=_in_turn, name="ensemble of"),
    "together": functools.partial(_ensemble, spread=_together, name="ensemble, together, of"),
    "sharded": functools.partial(_ensemble, spread=_sharded, name="sharded ensemble of"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
