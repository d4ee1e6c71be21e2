"""The loop: compiled steps in chunks, a callback on the host between them."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Algorithm, Array, Key, State, Task
from dip_jax.layout import traced

_RECORDED = 64  # steps that one call of the compiled loop has room to record

Trace = dict[str, np.ndarray]
"""One value a step, arrays ``[steps]``: ``loss``, every metric, and ``done`` (bool), whether the
algorithm then called for the end of the run."""

Callback = Callable[[int, State, Trace], Any]
"""``(steps so far, state, the chunk's trace) -> stop?``; anything true ends the run.

The state's buffers are reused by the next chunk: take copies (``np.asarray(estimate)``).
"""

Program = Callable[[Algorithm, State, Task, Array], tuple[State, Array, dict[str, Array]]]
"""``(algorithm, state, task, length) -> state, taken, records``: takes up to ``length`` steps, an
int32 scalar of at most 64, gives ``state`` up, and returns how many were taken, and what they
recorded, ``[64]`` each."""


def run(
    algorithm: Algorithm,
    key: Key,
    task: Task,
    z: Array,
    *,
    steps: int,
    every: int = 50,
    callback: Callback | None = None,
) -> tuple[State, Trace]:
    """Initialises ``algorithm`` and takes ``steps`` steps, or fewer if it says when to stop.

    Programs are compiled once for an algorithm and the shapes of ``task`` and ``z``: keep
    the algorithm object to restore a second picture without compiling.

    Args:
      algorithm: from :func:`~dip_jax.prior.dip` and wrappers.
      key: from ``jax.random.key(seed)``; the only source of randomness.
      task: from :mod:`dip_jax.tasks`.
      z: the generator's input ``[height, width, depth]``, of jax or numpy.
      steps: at most how many, 0 or more; need not be a multiple of ``every``. A wrapper that
        sets ``info.done`` (:func:`~dip_jax.stop`) ends the run after that step.
      every: steps in a chunk, at least 1. The result does not depend on it.
      callback: called after each chunk.

    Returns:
      The last state, and the trace of all steps taken.
    """
    z = jax.tree.map(jnp.asarray, z)
    state = _jitted_init(_platform(z))(algorithm, key, task, z)
    return advance(
        algorithm,
        state,
        task,
        steps=steps,
        every=every,
        callback=callback,
    )


def advance(
    algorithm: Algorithm,
    state: State,
    task: Task,
    *,
    steps: int,
    every: int = 50,
    callback: Callback | None = None,
    program: Program | None = None,
) -> tuple[State, Trace]:
    """Takes up to ``steps`` more steps from ``state``, whose buffers are given up (donated).

    Args:
      algorithm: the one that made ``state``.
      state: from :func:`run` or an earlier call.
      task: as for :func:`run`.
      steps: as for :func:`run`.
      every: as for :func:`run`.
      callback: as for :func:`run`; its count starts at 0 here.
      program: what takes the steps, where it is not to be traced and compiled here.

    Returns:
      The last state, and the trace of these steps.
    """
    if steps < 0:
        raise ValueError(f"steps={steps!r}: must be 0 or more")
    if every < 1:
        raise ValueError(f"every={every!r}: must be at least 1")
    traces: list[Trace] = []
    taken = 0
    for length in _chunk_lengths(steps, every):
        state, trace = _chunk(algorithm, state, task, length, program)
        taken += len(trace["loss"])
        traces.append(trace)
        if callback is not None and callback(taken, state, trace):
            break
        if trace["done"][-1]:
            break
    return state, _concatenated(traces)


def estimate(algorithm: Algorithm, state: State) -> Array:
    """``algorithm.estimate(state)``, compiled; the state stays usable."""
    return _jitted_estimate(_platform(state))(algorithm, state)


def _chunk_lengths(steps: int, every: int) -> Iterator[int]:
    whole, rest = divmod(steps, every)
    return itertools.chain(itertools.repeat(every, whole), [rest] if rest else [])


def _chunk(
    algorithm: Algorithm, state: State, task: Task, length: int, program: Program | None
) -> tuple[State, Trace]:
    """Takes ``length`` steps, or fewer if the algorithm is then done."""
    run_loop = program or jitted_loop(_platform(state))
    traces = []
    for part in _chunk_lengths(length, _RECORDED):
        # The length is data, so that chunks of any length run the same program.
        state, *rest = run_loop(algorithm, state, task, jax.device_put(part))
        taken, records = jax.device_get(rest)
        traces.append({name: values[:taken] for name, values in records.items()})
        if traces[-1]["done"][-1]:
            break
    return state, _concatenated(traces)


def _step(algorithm: Algorithm, state: State, task: Task) -> tuple[State, dict[str, Array]]:
    state, info = algorithm.step(state, task)
    return state, {"loss": info.loss, **info.metrics, "done": jnp.all(jnp.asarray(info.done))}


def take_steps(
    algorithm: Algorithm, platform: str, state: State, task: Task, length: Array
) -> tuple[State, Array, dict[str, Array]]:
    """The state after up to ``length`` steps; how many; what they recorded."""
    step, (_, shapes) = traced(
        functools.partial(_step, algorithm),
        *(state, task),
        everywhere=True,
        rewrite=platform == "cpu",
    )
    records = jax.tree.map(lambda s: jnp.zeros((_RECORDED, *s.shape), s.dtype), shapes)

    def unfinished(carry: tuple) -> Array:
        _, index, done, _ = carry
        return (index < length) & ~done

    def body(carry: tuple) -> tuple:
        state, index, _, records = carry
        state, record = step(state, task)
        records = jax.tree.map(lambda all_, one: all_.at[index].set(one), records, record)
        return state, index + 1, record["done"], records

    start = (state, jnp.zeros((), jnp.int32), jnp.zeros((), bool), records)
    state, taken, _, records = jax.lax.while_loop(unfinished, body, start)
    return state, taken, records


def needed_bytes(algorithm: Algorithm, key: Key, task: Task, z: Any, platform: str) -> int:
    """The memory that a run takes, by the compiler's own account; compiles, but runs nothing.

    Args:
      algorithm: as for :func:`run`.
      key: as for :func:`run`.
      task: as for :func:`run`.
      z: as for :func:`run`, or its shape and type (``jax.ShapeDtypeStruct``).
      platform: "cpu", "gpu" or "tpu".
    """
    state = jax.eval_shape(_jitted_init(platform), algorithm, key, task, z)
    length = jax.ShapeDtypeStruct((), jnp.int32)
    compiled = jitted_loop(platform).lower(algorithm, state, task, length).compile()
    parts = compiled.memory_analysis()
    return (
        parts.temp_size_in_bytes
        + parts.argument_size_in_bytes
        + parts.output_size_in_bytes
        - parts.alias_size_in_bytes
    )


def compilations(platform: str) -> int:
    """How many programs for ``platform`` ("cpu", "gpu", "tpu") the loop has compiled so far."""
    return jitted_loop(platform)._cache_size()


# One jit object each for the whole process and platform, so that all runs share their caches.
# Made on first use: importing must not wake a backend.
@functools.cache
def _jitted_init(platform: str) -> Callable:
    def init(algorithm: Algorithm, key: Key, task: Task, z: Array) -> State:
        return jax.tree.map(_strong, algorithm.init(key, task, z))

    return _jit(init, platform, static_argnums=0)


@functools.cache
def jitted_loop(platform: str) -> Callable:
    """A :data:`Program` for ``platform``, which compiles when it is called."""

    def loop(
        algorithm: Algorithm, state: State, task: Task, length: Array
    ) -> tuple[State, Array, dict[str, Array]]:
        return take_steps(algorithm, platform, state, task, length)

    return _jit(loop, platform, static_argnums=0, donate_argnums=1)


@functools.cache
def _jitted_estimate(platform: str) -> Callable:
    def estimate(algorithm: Algorithm, state: State) -> Array:
        return algorithm.estimate(state)

    return _jit(estimate, platform, static_argnums=0)


def _jit(function: Callable, platform: str, **options: Any) -> Callable:
    return jax.jit(function, compiler_options=compiler_options(platform), **options)


def _strong(leaf: Array) -> Array:
    """Drops a weak type, which would make the second step compile again (L-BFGS's state)."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    return jax.lax.convert_element_type(leaf, leaf.dtype)


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """Options for ``platform`` ("cpu", "gpu", "tpu"), as far as this jaxlib knows them.

    On a CPU, XLA's own convolutions are two to three times as fast as those of the YNNPACK
    library, which recent versions prefer (docs/performance.md).
    """
    if platform != "cpu":
        return {}
    options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:  # experimental: other versions may not have it
        return {}
    return options


def _platform(state: State) -> str:
    leaf = jax.tree.leaves(state)[0]
    return next(iter(leaf.devices())).platform


def _concatenated(traces: list[Trace]) -> Trace:
    if not traces:
        return {}
    return {name: np.concatenate([t[name] for t in traces]) for name in traces[0]}
