"""The loop: compiled steps in chunks, with a callback on the host between chunks."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Algorithm, Array, Input, Key, State, Task
from dip_jax.compilation import jit_for
from dip_jax.layout import traced

_RECORDED = 64  # The most steps that one call of the compiled loop can record.

Trace = dict[str, np.ndarray]
"""Arrays ``[steps]``, one value per step: ``loss``, every metric, and ``done`` (bool), which says
whether the algorithm asked to stop after that step."""

Callback = Callable[[int, State, Trace], Any]
"""``(steps so far, state, the chunk's trace) -> stop?``. A true value ends the run.

The next chunk reuses the state's buffers, so copy what you keep (``np.asarray(estimate)``).
"""

Program = Callable[[Algorithm, State, Task, Array], tuple[State, Array, dict[str, Array]]]
"""``(algorithm, state, task, length) -> state, taken, records``: takes up to ``length`` steps.

``length`` is an int32 scalar of at most 64. The program donates ``state``. It returns the new
state, the number of steps taken, and what they recorded, arrays ``[64]``.
"""


def run(
    algorithm: Algorithm,
    key: Key,
    task: Task,
    z: Input,
    *,
    steps: int,
    every: int = 50,
    callback: Callback | None = None,
) -> tuple[State, Trace]:
    """Initialises ``algorithm`` and takes ``steps`` steps, or fewer if the algorithm stops.

    Programs are compiled once for each algorithm object and the shapes of ``task`` and ``z``.
    Reuse the object to restore a second picture without compiling.

    Args:
      algorithm: from :mod:`dip_jax.methods` and :mod:`dip_jax.wrappers`.
      key: from ``jax.random.key(seed)``. It is the only source of randomness.
      task: from :mod:`dip_jax.tasks`.
      z: the generator's input, an array or a pytree of arrays (of jax or NumPy).
      steps: the most steps to take, 0 or more. It need not be a multiple of ``every``. A wrapper
        that sets ``info.done`` (:func:`~dip_jax.stop`) ends the run after that step.
      every: the number of steps in a chunk, at least 1. The result does not depend on it.
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
    """Takes up to ``steps`` more steps from ``state``, whose buffers are donated.

    Args:
      algorithm: the algorithm that made ``state``.
      state: from :func:`run` or an earlier call.
      task: as for :func:`run`.
      steps: as for :func:`run`.
      every: as for :func:`run`.
      callback: as for :func:`run`. Its count starts at 0 here.
      program: takes the steps in place of :func:`jitted_loop`, for a caller that compiles itself.

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
    """``algorithm.estimate(state)``, compiled. The state stays usable."""
    return _jitted_estimate(_platform(state))(algorithm, state)


def _chunk_lengths(steps: int, every: int) -> Iterator[int]:
    whole, rest = divmod(steps, every)
    return itertools.chain(itertools.repeat(every, whole), [rest] if rest else [])


def _chunk(
    algorithm: Algorithm, state: State, task: Task, length: int, program: Program | None
) -> tuple[State, Trace]:
    """Takes ``length`` steps, or fewer if the algorithm stops."""
    run_loop = program or jitted_loop(_platform(state))
    traces = []
    for part in _chunk_lengths(length, _RECORDED):
        # The length is an argument, so chunks of any length run the same program.
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
    """Takes up to ``length`` steps: a :data:`Program`, not yet compiled, for ``platform``."""
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


def needed_bytes(algorithm: Algorithm, key: Key, task: Task, z: Input, platform: str) -> int:
    """The memory in bytes that a run takes, as the compiler reports it.

    This compiles the loop, and runs nothing.

    Args:
      algorithm: as for :func:`run`.
      key: as for :func:`run`.
      task: as for :func:`run`.
      z: as for :func:`run`, or its shapes and types (``jax.ShapeDtypeStruct``).
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
    """The number of programs that the loop has compiled for ``platform`` ("cpu", "gpu", "tpu")."""
    return jitted_loop(platform)._cache_size()


# One jit object per platform for the whole process, so that all runs share its cache. Each is made
# on first use, because an import must not wake a backend.
@functools.cache
def _jitted_init(platform: str) -> Callable:
    def init(algorithm: Algorithm, key: Key, task: Task, z: Input) -> State:
        return jax.tree.map(_strong, algorithm.init(key, task, z))

    return jit_for(platform, init, static_argnums=0)


@functools.cache
def jitted_loop(platform: str) -> Callable:
    """A :data:`Program` for ``platform``. It compiles when it is first called."""

    def loop(
        algorithm: Algorithm, state: State, task: Task, length: Array
    ) -> tuple[State, Array, dict[str, Array]]:
        return take_steps(algorithm, platform, state, task, length)

    return jit_for(platform, loop, static_argnums=0, donate_argnums=1)


@functools.cache
def _jitted_estimate(platform: str) -> Callable:
    def estimate(algorithm: Algorithm, state: State) -> Array:
        return algorithm.estimate(state)

    return jit_for(platform, estimate, static_argnums=0)


def _strong(leaf: Array) -> Array:
    """Drops a weak type, with which the second step would compile again (L-BFGS's state)."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    return jax.lax.convert_element_type(leaf, leaf.dtype)


def _platform(state: State) -> str:
    leaf = jax.tree.leaves(state)[0]
    return next(iter(leaf.devices())).platform


def _concatenated(traces: list[Trace]) -> Trace:
    if not traces:
        return {}
    return {name: np.concatenate([t[name] for t in traces]) for name in traces[0]}
