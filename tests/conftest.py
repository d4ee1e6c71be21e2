"""Strict settings for all tests; a toy generator; where pictures and goldens lie."""

import os

# Two CPU devices, set before any backend wakes.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Not where in Python each operation was called: a tenth of the time to trace and lower a function.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import contextlib
import functools
import gc
import pathlib
import re
import signal

import jax
import pytest

from dip_jax import compilation, loop
from dip_jax.app.machine import programs
from tests.small import use_small_presets, use_tiny_presets

jax.config.update("jax_numpy_rank_promotion", "raise")
# A shell has its background jobs ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Beyond what jax_disable_most_optimizations does.
HASTE = {
    "xla_backend_optimization_level": "0",
    "xla_cpu_use_fusion_emitters": "False",
    "xla_cpu_parallel_codegen_split_count": "1",
}
# In examples of the documentation: what compiles a network.
COMPILES = re.compile(r"\b(restore|run|init)\)?\(")
GOLDEN = pathlib.Path(__file__).parent / "golden"


def pytest_configure(config):
    config.pluginmanager.register(Examples())


class Examples:
    """Applies to all tests, where hooks of this file itself apply to those beside it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """Slow examples of the documentation are compiled in haste, with small presets."""
        if not (isinstance(item, pytest.DoctestItem) and item.get_closest_marker("slow")):
            return (yield)
        jax.clear_caches()
        with haste(), pytest.MonkeyPatch.context() as patch:
            use_small_presets(patch)
            result = yield
        jax.clear_caches()
        return result


def pytest_collection_modifyitems(items):
    """Examples of the documentation that compile a network are slow tests."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            sources = (example.source for example in item.dtest.examples)
            if any(map(COMPILES.search, sources)):
                item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """What has been imported stays: the garbage collector need not look at it again and again.

    Nor need it look as often as it does by default: to trace a network makes millions of objects
    that stay, a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


@pytest.fixture(scope="module", autouse=True)
def programs_of_a_module():
    """Compiled programs go with their module: a process has room for some 65,000 mappings."""
    yield
    jax.clear_caches()
    programs.clear()


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """No traced programs of an earlier test: those patch what is traced."""
    monkeypatch.setattr(programs, "_PLATFORMS", ())


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    """Compiled programs of tests do not go to the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def programs_compiled_in_haste(programs_of_a_module):
    """All programs without most optimisations: a quarter of the time to compile.

    They round otherwise: not for tests of precision, nor to compare bits with another process's.
    """
    with haste():
        yield


@contextlib.contextmanager
def haste():
    """See ``programs_compiled_in_haste``."""
    options = compilation.compiler_options
    made = (loop._jitted_init, loop.jitted_loop, loop._jitted_estimate)

    @functools.cache
    def hasty(platform):
        return options(platform) | dict(filter(_understood, HASTE.items()))

    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "compiler_options", hasty)
        for cached in made:
            cached.cache_clear()
        yield
    for cached in made:
        cached.cache_clear()
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def environment_in_haste():
    """The environment of a process that compiles in haste."""
    flags = [f"--{name}={value.lower()}" for name, value in filter(_understood, HASTE.items())]
    return os.environ | {
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XLA_FLAGS": " ".join([os.environ["XLA_FLAGS"], *flags]),
    }


def _understood(option):
    """Whether this jaxlib has the option."""
    try:
        jax.jit(lambda: 0, compiler_options=dict([option])).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


@pytest.fixture(scope="session")
def golden_folder() -> pathlib.Path:
    return GOLDEN


@pytest.fixture(scope="session")
def data_folder() -> pathlib.Path:
    """The standard test pictures, which are not part of the project."""
    folder = os.environ.get("DIP_JAX_DATA")
    if not folder:
        pytest.skip("DIP_JAX_DATA does not name a folder with the standard pictures")
    return pathlib.Path(folder)


@pytest.fixture
def small_presets(monkeypatch):
    """All presets with one scale of width 4: they compile in seconds, not minutes."""
    use_small_presets(monkeypatch)


@pytest.fixture
def tiny_presets(monkeypatch):
    """All presets with two convolutions for a network, where no test looks at the network.

    They compile in half the time of ``small_presets``.
    """
    use_tiny_presets(monkeypatch)
