"""Seconds per optimisation step: ours against the PyTorch peer.

  python -m experiments.speed.step --sizes=128,256,512 --networks=paper,nearest,fast

Network, size, optimiser (Adam) and jitter are the same. ``paper`` is the network of the preset
``paper`` for denoising; ``nearest`` is the same with nearest upsampling; ``fast`` is the network
of the preset ``fast``, fed noise like the others although the preset feeds it the picture.

Our step is timed as it runs: ``--steps`` steps in one compiled loop. Forward pass, backward pass
and optimiser are separate programs; ``--noparts`` leaves them out. Each round measures each
implementation in turn, so that other load on the machine hits all of them. The table has medians,
and ratios of medians. With ``--dtypes=float32,bfloat16`` ours is also timed with half-precision
maps; the peer runs with PyTorch's defaults (on a GPU its convolutions are TF32, like ours).
"""

import functools
import gc
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import dip_jax
from dip_jax.app import UserError
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe import Preset, change, find_preset
from experiments.program import (
    Table,
    define_common,
    parse_integers,
    publish,
    require,
    run_program,
)
from experiments.speed.subject import check_size, find_fixed_input, jit

NAME = "step"
NETWORKS = ("paper", "nearest", "fast")
PEERS = ("eager", "compile")
DTYPES = ("float32", "bfloat16")
PARTS = ("forward", "backward", "optimiser", "step")


class Subject(NamedTuple):
    """An implementation to time; each call of ``measure`` returns the seconds of its parts."""

    name: str
    measure: Callable[[], dict[str, float]]


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    flags.DEFINE_list("sizes", ["128", "256"], "Heights and widths.", **text)
    flags.DEFINE_list("networks", list(NETWORKS), "Some of " + ", ".join(NETWORKS) + ".", **text)
    flags.DEFINE_list("peers", ["eager"], "PyTorch modes: eager, compile; empty: none.", **text)
    flags.DEFINE_list("dtypes", ["float32"], "Our maps: some of " + ", ".join(DTYPES) + ".", **text)
    flags.DEFINE_bool("parts", True, "Also time forward, backward and optimiser.", **text)
    flags.DEFINE_integer("rounds", 7, "Measurements per implementation.", lower_bound=1, **text)
    flags.DEFINE_integer("steps", 5, "Steps per measurement.", lower_bound=1, **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    sizes = parse_integers("--sizes", values.sizes)
    peers = [peer for peer in values.peers if peer]
    for flag, given, known in (
        ("--networks", values.networks, NETWORKS),
        ("--peers", peers, PEERS),
        ("--dtypes", values.dtypes, DTYPES),
    ):
        for name in given:
            if name not in known:
                raise UserError(flag, name, "is unknown; there are " + ", ".join(known))
    for network in values.networks:
        for size in sizes:
            check_size("--sizes", size, find_network_preset(network))
    if peers:
        require("torch", "bench", "--peers", ",".join(peers))
    device = choose_device(values.backend)
    rows, notes = [], []
    for network in values.networks:
        for size in sizes:
            options = {"steps": values.steps, "parts": values.parts}
            subjects = [make_ours(network, size, dtype=dtype, **options) for dtype in values.dtypes]
            for peer in peers:
                try:
                    subjects.append(make_peer(network, size, compiled=peer == "compile", **options))
                except UserError:
                    raise
                except Exception as error:  # torch.compile may raise anything; report it
                    reason = str(error).strip().splitlines() or [type(error).__name__]
                    notes.append(f"{network} {size}, PyTorch {peer}: did not run ({reason[0]})")
            times = interleave(subjects, values.rounds)
            bases = [times[subject.name]["step"] for subject in subjects[: len(values.dtypes)]]
            for subject in subjects:
                parts = times[subject.name]
                ratios = [f"{base / parts['step']:.2f}" for base in bases]
                cells = [f"{parts[part]:.5f}" if part in parts else "-" for part in PARTS]
                rows.append([f"{network} {size}x{size}", subject.name, *cells, *ratios])
                print(" ".join(rows[-1]), file=sys.stderr)
            del subjects
            gc.collect()
    compared = [("ours / it" if d == "float32" else f"ours, {d} / it") for d in values.dtypes]
    columns = ["network", "implementation", *(f"{part}, s" for part in PARTS), *compared]
    table = Table("Seconds a step", columns, rows, note="  \n".join(notes))
    publish([table], f"experiments.speed.{NAME}", argv, device, values.out)


def interleave(subjects: list[Subject], rounds: int) -> dict[str, dict[str, float]]:
    """Measures the subjects in turn, after an untimed round; returns medians of their parts."""
    records: dict[str, list[dict[str, float]]] = {subject.name: [] for subject in subjects}
    for number in range(rounds + 1):
        for subject in subjects:
            parts = subject.measure()
            if number:
                records[subject.name].append(parts)
    return {
        name: {
            part: float(np.median([r[part] for r in parts])) for part in PARTS if part in parts[0]
        }
        for name, parts in records.items()
    }


def find_network_preset(network: str) -> Preset:
    """Finds the settings that a network's name stands for."""
    preset = find_preset("fast" if network == "fast" else "paper", "denoise")
    if network != "nearest":
        return preset
    options = dict(preset.network.options) | {"upsampling": "nearest"}
    return change(preset, options=options)


def make_ours(network: str, size: int, *, steps: int, dtype: str, parts: bool) -> Subject:
    """Makes our step as :func:`dip_jax.run` takes it, and its parts as separate programs."""
    preset = find_network_preset(network)
    fixed = find_fixed_input(preset)
    half = None if dtype == "float32" else dtype
    generator = dip_jax.Flat(dip_jax.Skip(**dict(preset.network.options), dtype=half))
    adam = optax.adam(preset.optimizer.learning_rate)
    algorithm = dip_jax.dip(generator, adam, jitter=fixed.jitter)
    task = dip_jax.denoise(jax.random.uniform(jax.random.key(1), (size, size, 3)))
    z = dip_jax.inputs.uniform(jax.random.key(2), size, size, fixed.depth)

    def loss(params: Any, key: jax.Array) -> jax.Array:
        jitter = fixed.jitter * jax.random.normal(key, z.shape)
        return task.loss(generator.apply(params, z + jitter))

    def update(grads: Any, state: Any, params: Any) -> Any:
        updates, state = adam.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    state, _ = dip_jax.run(algorithm, jax.random.key(0), task, z, steps=0)
    kept = {"state": state}
    params, key = jnp.copy(state.params), jax.random.key(3)
    calls = {
        "forward": functools.partial(jit(loss), params, key),
        "gradient": functools.partial(jit(jax.value_and_grad(loss)), params, key),
        "optimiser": functools.partial(
            jit(update), jnp.ones_like(params), adam.init(params), params
        ),
    }

    def measure() -> dict[str, float]:
        seconds = {}
        if parts:
            seconds = {
                name: time_calls(call, steps, jax.block_until_ready) for name, call in calls.items()
            }
            seconds["backward"] = seconds.pop("gradient") - seconds["forward"]
        start = time.perf_counter()
        kept["state"], _ = dip_jax.advance(algorithm, kept["state"], task, steps=steps, every=steps)
        jax.block_until_ready(kept["state"])
        return {**seconds, "step": (time.perf_counter() - start) / steps}

    return Subject("dip_jax" if half is None else f"dip_jax, {half}", measure)


def make_peer(network: str, size: int, *, steps: int, compiled: bool, parts: bool) -> Subject:
    """Makes the peer's step, and its parts one after the other."""
    import torch

    from experiments.speed import peer

    preset = find_network_preset(network)
    fixed = find_fixed_input(preset)
    where = peer.choose_device(jax.default_backend())
    torch.manual_seed(0)
    net = peer.TorchSkip(peer.make_network(preset, 3), fixed.depth).to(where)
    fit = peer.Fit(
        # Forget earlier compilations: PyTorch would generalise from their sizes.
        _compile(net) if compiled else net,
        (0.1 * torch.rand(1, fixed.depth, size, size)).to(where),
        torch.rand(1, 3, size, size).to(where),
        learning_rate=preset.optimizer.learning_rate,
        jitter=fixed.jitter,
    )

    def wait(_: Any) -> None:
        if where == "cuda":
            torch.cuda.synchronize()

    def measure() -> dict[str, float]:
        total = dict.fromkeys(PARTS, 0.0) if parts else {}
        for _ in range(steps if parts else 0):
            fit.optimizer.zero_grad()
            marks = [time.perf_counter()]
            loss, _ = fit.forward()
            wait(None)
            marks.append(time.perf_counter())
            loss.backward()
            wait(None)
            marks.append(time.perf_counter())
            fit.optimizer.step()
            wait(None)
            marks.append(time.perf_counter())
            for part, start, stop in zip(PARTS, marks[:-1], marks[1:], strict=False):
                total[part] += (stop - start) / steps
        total["step"] = time_calls(fit.step, steps, wait)
        return total

    measure()  # compiles, or raises
    return Subject("PyTorch " + ("torch.compile" if compiled else "eager"), measure)


def _compile(net: Any) -> Any:
    import torch

    torch.compiler.reset()
    return torch.compile(net, dynamic=False)


def time_calls(call: Callable[[], Any], times: int, wait: Callable[[Any], Any]) -> float:
    """Times ``times`` calls and waits for their results; returns the mean seconds per call."""
    start = time.perf_counter()
    for _ in range(times):
        result = call()
    wait(result)
    return (time.perf_counter() - start) / times


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
