"""Traced programs on disk, so that a later process need not trace them again.

Jax keeps compiled programs, but has to trace and lower a function anew to find its program: two
seconds for a step of the default network. Here what is compiled, the lowered loop
(``jax.export``), lies beside jax's own files under a name made of all that decides it.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax import export

import dip_jax
from dip_jax import loop
from dip_jax.app.files import replacing
from dip_jax.base import Algorithm, Array, State, Task
from dip_jax.loop import Program

_PLATFORMS = ("cpu",)  # where it has been tried
_DIGEST = hashlib.sha256().digest_size
_compiled: dict[tuple, Callable] = {}


def kept(description: str) -> Program:
    """The loop's program for an algorithm that ``description`` tells from all others.

    It is kept in jax's folder of compiled programs; where there is none, or the arguments hold
    functions without a name, it is :func:`dip_jax.loop.jitted_loop`.
    """

    def program(
        algorithm: Algorithm, state: State, task: Task, length: Array
    ) -> tuple[State, Array, dict[str, Array]]:
        leaves, structure = jax.tree.flatten(state)
        device, *others = leaves[0].devices()
        folder = _folder()
        if folder is None or others or device.platform not in _PLATFORMS:
            return loop.jitted_loop(device.platform)(algorithm, state, task, length)
        rest, other = jax.tree.flatten((task, length))
        types = tuple(_type(leaf) for leaf in (*leaves, *rest))
        options = loop.compiler_options(device.platform)
        key = (algorithm, device, structure, other, types, *options.items())
        if key not in _compiled:
            name = _name(description, types, state, task)
            if name is None:
                return loop.jitted_loop(device.platform)(algorithm, state, task, length)

            def flat(leaves: list[Array], rest: list[Array]) -> tuple:
                state, *records = loop.take_steps(
                    algorithm,
                    device.platform,
                    jax.tree.unflatten(structure, leaves),
                    *jax.tree.unflatten(other, rest),
                )
                return jax.tree.leaves(state), *records

            exported = _exported(folder / name, jax.jit(flat), leaves, rest)
            # Compiled for its device: jit would compile again for the state that it returns.
            jitted = jax.jit(exported.call, donate_argnums=0, compiler_options=options)
            _compiled[key] = jitted.lower(leaves, rest).compile()
        leaves, taken, records = _compiled[key](leaves, rest)
        return jax.tree.unflatten(structure, leaves), taken, records

    return program


def compilations(platform: str) -> int:
    """How many of the loop's programs for ``platform`` this process has made, kept or not."""
    own = sum(device.platform == platform for _, device, *_ in _compiled)
    return own + loop.compilations(platform)


def _exported(path: Path, jitted: Callable, *args: Any) -> export.Exported:
    """What lies at ``path``; if nothing whole, ``jitted`` traced for ``args`` and put there."""
    with contextlib.suppress(OSError):
        digest, data = _split(path.read_bytes())
        if digest == hashlib.sha256(data).digest():
            return export.deserialize(bytearray(data))
    exported = export.export(jitted)(*args)
    with contextlib.suppress(OSError):  # a full disk: nothing is kept
        data = exported.serialize()
        with replacing(path) as partial:
            partial.write_bytes(hashlib.sha256(data).digest() + data)
    return exported


def _split(data: bytes) -> tuple[bytes, bytes]:
    return data[:_DIGEST], data[_DIGEST:]


def _folder() -> Path | None:
    """Jax's folder of compiled programs, if it is one of this machine."""
    name = jax.config.jax_compilation_cache_dir
    if not name or not jax.config.jax_enable_compilation_cache:
        return None
    folder = Path(name)
    return folder if folder.is_dir() else None


def _name(description: str, types: tuple, *trees: Any) -> str | None:
    """A file's name by all that decides the program; None if that can't be told."""
    try:
        # The structure names the functions in the trees; what is in them is in the sources.
        functions = pickle.dumps(jax.tree.map(lambda _: 0, trees), protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    settings = sorted(
        (name, value)
        for name, value in jax.config.values.items()
        if isinstance(value, bool | int | float | str)
    )
    parts = (description, types, functions, settings, _sources())
    return f"dip_jax-{hashlib.sha256(repr(parts).encode()).hexdigest()}"


@functools.cache
def _sources() -> tuple[str, ...]:
    """Versions of what traces, and a hash of our own source files."""
    names = ("jax", "jaxlib", "flax", "optax", "dm-pix")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    ours = hashlib.sha256()
    folder = Path(dip_jax.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        ours.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
        ours.update(path.read_bytes())
    return *versions, ours.hexdigest()


def _type(leaf: Array) -> tuple:
    aval = jax.typeof(leaf)
    return aval.shape, str(aval.dtype), aval.weak_type
