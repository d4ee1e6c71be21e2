"""Traced programs on disk, so that a later process need not trace them again.

Jax caches compiled programs, but must trace and lower a function to find its program: two seconds
for a step of the default network. Here the lowered loop (``jax.export``) is kept beside jax's own
files, under a name that is a hash of all that decides it.
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
from dip_jax import compilation, loop
from dip_jax.app.files.atomic import replacing
from dip_jax.base import Algorithm, Array, State, Task
from dip_jax.loop import Program

_PLATFORMS = ("cpu",)  # where it has been tried
_DIGEST = hashlib.sha256().digest_size
# By all that decides them; None where nothing can be cached and jit_for does the work.
_compiled: dict[tuple, Callable | None] = {}


def cached_program(description: str) -> Program:
    """Returns the loop's program for an algorithm, cached on disk.

    It is kept in jax's folder of compiled programs. Where that is impossible (there is no such
    folder, the state is spread over several devices, another platform, functions without a name in
    the arguments, or anything that ``jax.export`` can't write), it is
    :func:`dip_jax.loop.jitted_loop`.

    Functions in the arguments are identified by their names, so they must belong to this package,
    whose sources are part of the file's name. Constants changed at run time are not noticed.

    Args:
      description: identifies the algorithm in any process.
    """

    def program(
        algorithm: Algorithm, state: State, task: Task, length: Array
    ) -> tuple[State, Array, dict[str, Array]]:
        leaves, structure = jax.tree.flatten(state)
        data, data_structure = jax.tree.flatten((task, length))
        device, *others = leaves[0].devices()
        if others or device.platform not in _PLATFORMS:
            return loop.jitted_loop(device.platform)(algorithm, state, task, length)
        options = compilation.compiler_options(device.platform)
        types = tuple(_type(leaf) for leaf in (*leaves, *data))
        settings = _settings()
        structures = structure, data_structure
        key = (device, algorithm, structures, types, settings, *options.items())
        if key not in _compiled:
            parts = (device.platform, description, types, settings)
            take = functools.partial(_take, algorithm, device.platform, structures)
            exported = _exported(parts, (state, task), take, leaves, data)
            # Compiled for its device: jit would compile again for the state that it returns.
            _compiled[key] = exported and (
                compilation.jit_for(device.platform, exported.call, donate_argnums=0)
                .lower(leaves, data)
                .compile()
            )
        compiled = _compiled[key]
        if compiled is None:
            return loop.jitted_loop(device.platform)(algorithm, state, task, length)
        leaves, taken, records = compiled(leaves, data)
        return jax.tree.unflatten(structure, leaves), taken, records

    return program


def compilations(platform: str) -> int:
    """Returns how many of the loop's programs for ``platform`` this process has made."""
    own = sum(
        device.platform == platform
        for (device, *_), compiled in _compiled.items()
        if compiled is not None
    )
    return own + loop.compilations(platform)


def clear() -> None:
    """Drops this process's programs, as ``jax.clear_caches`` does with the others."""
    _compiled.clear()


def _take(
    algorithm: Algorithm, platform: str, structures: tuple, leaves: list[Array], data: list[Array]
) -> tuple[list[Array], Array, dict[str, Array]]:
    """Calls :func:`dip_jax.loop.take_steps` with lists, which need no registration for export."""
    state, task_and_length = map(jax.tree.unflatten, structures, (leaves, data))
    state, taken, records = loop.take_steps(algorithm, platform, state, *task_and_length)
    return jax.tree.leaves(state), taken, records


def _exported(
    parts: tuple, trees: tuple, function: Callable, *args: list[Array]
) -> export.Exported | None:
    """Returns ``function`` lowered, from the disk if it is there; None if it can't be kept."""
    folder, name = _folder(), _name(parts, trees)
    if folder is None or name is None:
        return None
    path = folder / name
    try:
        with contextlib.suppress(OSError):
            whole = path.read_bytes()
            digest, data = whole[:_DIGEST], whole[_DIGEST:]
            if digest == hashlib.sha256(data).digest():
                return export.deserialize(bytearray(data))
        lowering = compilation.jit_for(parts[0], function)
        exported = export.export(lowering, platforms=[parts[0]])(*args)
        data = bytes(exported.serialize())
    except Exception:  # of many types (threefry4x32 keys are a KeyError); jit says what is wrong
        return None
    with contextlib.suppress(OSError), replacing(path) as partial:  # a full disk: nothing is kept
        partial.write_bytes(hashlib.sha256(data).digest() + data)
    return exported


def _folder() -> Path | None:
    """Returns jax's folder of compiled programs, if it lies on this machine."""
    settings: Any = jax.config  # of whose settings jax declares no types
    name = settings.jax_compilation_cache_dir
    if not name or not settings.jax_enable_compilation_cache or settings.jax_debug_nans:
        return None
    folder = Path(name)
    return folder if folder.is_dir() else None


def _name(parts: tuple, trees: tuple) -> str | None:
    """Returns a file name from all that decides the program; None if that is unknown."""
    if not _SOURCES:
        return None
    try:
        # The structure names the functions in the trees; the sources hold their bodies.
        functions = pickle.dumps(jax.tree.map(lambda _: 0, trees), protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return f"dip_jax-{hashlib.sha256(repr((parts, functions, _SOURCES)).encode()).hexdigest()}"


def _settings() -> tuple:
    """Returns jax's settings, those of contexts too: some decide what is traced."""
    return tuple(
        sorted(
            (name, repr(value))
            for name, value in jax.config.values.items()
            if name != "jax_default_device"
        )
    )


def _type(leaf: Array) -> tuple:
    aval = jax.typeof(leaf)
    return aval.shape, str(aval.dtype), aval.weak_type


def _sources() -> tuple[str, ...]:
    """Returns the versions of what traces and a hash of our sources; empty if there are none."""
    ours = hashlib.sha256()
    folder = Path(dip_jax.__file__).parent
    paths = sorted(folder.rglob("*.py"))
    if not paths:
        return ()
    for path in paths:
        ours.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
        ours.update(path.read_bytes())
    packages = ("jax", "jaxlib", "flax", "optax", "dm-pix")
    return *map(importlib.metadata.version, packages), ours.hexdigest()


# At import: a source that changes while this process runs is not what it runs.
_SOURCES = _sources()
