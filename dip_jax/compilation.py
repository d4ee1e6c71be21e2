"""Compilation with safe options: the package's only calls of ``jax.jit``."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import jax
from jax.core import Tracer
from jax.extend.core import Primitive

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """Compiler options for ``platform`` ("cpu", "gpu", "tpu"), as far as this jaxlib knows them.

    On a CPU they turn the YNNPACK library off. Some versions compute wrong values with it
    (jax issues 39103, 39257). Its convolutions are also two to three times as slow as XLA's own
    (experiments/notes/performance.md).
    """
    if platform != "cpu":
        return {}
    options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:  # The option is experimental: a version may lack it.
        return {}
    return options


def jit_for(platform: str, function: Callable, **options: Any) -> Any:
    """``jax.jit(function, **options)`` with the :func:`compiler_options` of ``platform``.

    Other traced functions can't call the result (jax allows compiler options only on the
    outermost ``jit``). :func:`jit` has no such limit.
    """
    return jax.jit(function, compiler_options=compiler_options(platform), **options)


def jit(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    """``jax.jit(function, **options)`` with the :func:`compiler_options` of where it runs.

    Works as a decorator at module level: the platform is looked up at each call. The platform
    is that of the committed arguments, or else of the default device.

    Inside another traced function the outer program's options hold. Outside of one, ``jax.vmap``
    of the result is fine and ``jax.grad`` raises a ValueError: use ``jit(jax.grad(f))``.

    >>> jit(lambda x: 2 * x)(3.0).item()
    6.0
    """
    nested = jax.jit(function, **options)

    @functools.cache
    def outermost(*chosen: tuple[str, str]) -> Callable:
        return jax.jit(function, compiler_options=dict(chosen), **options)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _tracing():
            return nested(*args, **kwargs)
        chosen = compiler_options(_platform((args, kwargs)))
        return outermost(*chosen.items())(*args, **kwargs)

    return call


def _platform(args: Any) -> str:
    """Where ``jax.jit`` runs a function of ``args``."""
    for leaf in jax.tree.leaves(args):
        if isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer) and leaf.committed:
            return next(iter(leaf.devices())).platform
    settings: Any = jax.config  # jax declares no types for its settings.
    default = settings.jax_default_device  # a device, the name of a platform, or None
    return getattr(default, "platform", default) or jax.default_backend()


class _TracingError(Exception):
    """Raised by the probe below."""


# An operation that jax runs at once outside of a traced function. Inside of one, jax first asks
# for the type of the result. ``jax.vmap`` and ``jax.grad`` by themselves run it at once too.
_probe = Primitive("probe")


@_probe.def_impl
def _run() -> bool:
    return False


@_probe.def_abstract_eval
def _type() -> NoReturn:
    raise _TracingError


def _tracing() -> bool:
    """Whether the caller is inside of a function that jax traces for compilation."""
    try:
        return _probe.bind()
    except _TracingError:
        return True
