"""Several fits in one program, with different seeds or different pictures of one shape."""

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
    """Info of each member's last step. A member that is done repeats it."""


def ensemble(algorithm: Algorithm, *, together: int = 1) -> Algorithm:
    """Fits several members, each as by ``algorithm`` alone. It is the outermost wrapper.

    All arguments and results have a leading axis of members:

    >>> import jax, jax.numpy as jnp, optax
    >>> import dip_jax
    >>> fit = dip_jax.ensemble(dip_jax.dip(dip_jax.Skip(widths=(4,)), optax.adam(1e-2)))
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> tasks = jax.vmap(dip_jax.denoise)(jnp.full((3, 32, 32, 3), 0.5))
    >>> zs = jax.vmap(lambda key: dip_jax.inputs.uniform(key, 32, 32, depth=4))(keys)
    >>> state, trace = dip_jax.run(fit, keys, tasks, zs, steps=2)
    >>> dip_jax.estimate(fit, state).shape, trace["loss"].shape
    ((3, 32, 32, 3), (2, 3))

    A member that is done takes no more steps. The run ends when all are done.

    Args:
      algorithm: the algorithm of one member.
      together: number of members that are computed together by ``jax.vmap``; such groups run
        one after the other. Together, convolutions become grouped ones, which is slower
        wherever it was measured: by a seventh on a CPU, threefold on a GPU at 512x512
        (experiments/notes/performance.md).

    Returns:
      An Algorithm on keys ``[members]``, tasks with leading axes (``jax.vmap(denoise)(ys)``)
      and inputs ``[members, h, w, depth]``.
    """
    if together < 1:
        raise ValueError(f"together={together!r}: must be at least 1")

    def map_members(function: Callable, *args: Any) -> Any:
        size = together if together > 1 else None
        return jax.lax.map(lambda member: function(*member), args, batch_size=size)

    def init(key: Key, task: Task, z: Array) -> EnsembleState:
        # One by one: under jax.vmap the networks' keys ("rbg") give different parameters.
        inner = jax.lax.map(lambda member: algorithm.init(*member), (key, task, z))
        shapes = jax.eval_shape(lambda *args: map_members(algorithm.step, *args)[1], inner, task)
        # Python scalars, such as a plain ``done=False``, become arrays here.
        return EnsembleState(inner, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))

    def step(state: EnsembleState, task: Task) -> tuple[EnsembleState, Info]:
        def step_member(inner: State, info: Info, task: Task) -> tuple[State, Info]:
            def advance() -> tuple[State, Info]:
                next_inner, next_info = algorithm.step(inner, task)
                return next_inner, next_info._replace(done=jnp.asarray(next_info.done))

            return jax.lax.cond(info.done, lambda: (inner, info), advance)

        state = EnsembleState(*map_members(step_member, state.inner, state.info, task))
        return state, state.info

    def estimate(state: EnsembleState) -> Image:
        return map_members(algorithm.estimate, state.inner)

    return Algorithm(init, step, estimate)


def sharded(algorithm: Algorithm, devices: Sequence[Any] | None = None) -> Algorithm:
    """Distributes the members of an :func:`ensemble` evenly over devices.

    ``sharded(ensemble(fit))`` has the same arguments and results as ``ensemble(fit)``. Members
    do not communicate; devices share only whether the run has ended.

    Args:
      algorithm: an ensemble.
      devices: by default, all of the default backend.

    Returns:
      An Algorithm. It raises a ValueError unless the number of members is a multiple of the
      number of devices.
    """
    mesh = Mesh(np.asarray(jax.devices() if devices is None else devices), (_AXIS,))
    spec = PartitionSpec(_AXIS)

    def shard(function: Callable) -> Callable:
        mapped = jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)

        def check_and_call(*args: Any) -> Any:
            members = jax.tree.leaves(args)[0].shape[0]
            if members % mesh.size:
                raise ValueError(
                    f"members={members!r}: must be a multiple of the {mesh.size} devices"
                )
            return mapped(*args)

        return check_and_call

    return Algorithm(*map(shard, algorithm))
