"""Several fits in one program: other seeds, or other pictures of one shape."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from dip_jax.base import Algorithm, Array, Image, Info, Key, State, Task

_AXIS = "members"


class EnsembleState(NamedTuple):
    """State of :func:`ensemble`; every array has a leading axis of members."""

    inner: State
    info: Info
    """Of each member's last step: a member that is done repeats it."""


def ensemble(algorithm: Algorithm, *, together: int = 1) -> Algorithm:
    """Fits several members, each as ``algorithm`` alone would; to be wrapped around last.

    All arguments and results get a leading axis of members:

    >>> import jax, jax.numpy as jnp, optax
    >>> import dip_jax
    >>> fit = dip_jax.ensemble(dip_jax.dip(dip_jax.Skip(widths=(4,)), optax.adam(1e-2)))
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> tasks = jax.vmap(dip_jax.denoise)(jnp.full((3, 32, 32, 3), 0.5))
    >>> zs = jax.vmap(lambda key: dip_jax.inputs.uniform(key, 32, 32, depth=4))(keys)
    >>> state, trace = dip_jax.run(fit, keys, tasks, zs, steps=2)
    >>> dip_jax.estimate(fit, state).shape, trace["loss"].shape
    ((3, 32, 32, 3), (2, 3))

    A member that is done takes no more steps; the run ends when all are.

    Args:
      algorithm: of one member.
      together: how many members share their operations (``jax.vmap``), the rest follows
        one after the other. Convolutions whose kernels differ are grouped ones then, which is
        slower wherever it was measured: by a seventh on a CPU, threefold on a GPU at
        512x512 (docs/performance.md).

    Returns:
      An Algorithm on keys ``[members]``, tasks with leading axes (``jax.vmap(denoise)(ys)``)
      and inputs ``[members, h, w, depth]``.
    """
    if together < 1:
        raise ValueError(f"together={together!r}: must be at least 1")

    def each(function: Callable, *args: Any) -> Any:
        size = together if together > 1 else None
        return jax.lax.map(lambda one: function(*one), args, batch_size=size)

    def init(key: Key, task: Task, z: Array) -> EnsembleState:
        # Never together: jax.vmap draws other parameters from the keys that networks use ("rbg").
        inner = jax.lax.map(lambda one: algorithm.init(*one), (key, task, z))
        shapes = jax.eval_shape(lambda *args: each(algorithm.step, *args)[1], inner, task)
        # Leaves of Python's types, such as a plain ``done=False``, are arrays from here on.
        return EnsembleState(inner, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))

    def step(state: EnsembleState, task: Task) -> tuple[EnsembleState, Info]:
        def one(inner: State, info: Info, task: Task) -> tuple[State, Info]:
            def go() -> tuple[State, Info]:
                after, told = algorithm.step(inner, task)
                return after, told._replace(done=jnp.asarray(told.done))

            return jax.lax.cond(info.done, lambda: (inner, info), go)

        state = EnsembleState(*each(one, state.inner, state.info, task))
        return state, state.info

    def estimate(state: EnsembleState) -> Image:
        return each(algorithm.estimate, state.inner)

    return Algorithm(init, step, estimate)


def sharded(algorithm: Algorithm, devices: Sequence[Any] | None = None) -> Algorithm:
    """Spreads the members of an :func:`ensemble` over devices, an equal share each.

    ``sharded(ensemble(fit))`` takes and gives what ``ensemble(fit)`` does. Members do not
    communicate; that a run ends is all that devices learn of each other.

    Args:
      algorithm: an ensemble.
      devices: all of the default backend when absent.

    Returns:
      An Algorithm that raises a ValueError unless the members divide evenly among devices.
    """
    mesh = Mesh(np.asarray(jax.devices() if devices is None else devices), (_AXIS,))
    spec = PartitionSpec(_AXIS)

    def spread(function: Callable) -> Callable:
        shared = jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)

        def checked(*args: Any) -> Any:
            members = jax.tree.leaves(args)[0].shape[0]
            if members % mesh.size:
                problem = f"must be a multiple of the {mesh.size} devices"
                raise ValueError(f"members={members!r}: {problem}")
            return shared(*args)

        return checked

    return Algorithm(*map(spread, algorithm))
