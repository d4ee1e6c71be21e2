"""Strict settings for all tests; a toy generator; where pictures and goldens lie."""

import os

# Set before any backend wakes: two CPU devices, and programs without most optimisations, which take
# half of the time to compile.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0 "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Not where in Python each operation was called: a tenth of the time to trace and lower a function.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import functools
import gc
import pathlib
import re
import signal

import jax
import numpy as np
import pytest

from dip_jax import compilation, loop
from dip_jax.app.machine import programs
from tests.small import use_small_presets, use_tiny_presets

jax.config.update("jax_numpy_rank_promotion", "raise")
# A shell has its background jobs ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where matplotlib itself would keep its list of fonts, which takes 13 seconds to make.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
os.environ.setdefault("MPLCONFIGDIR", str(CACHE / "matplotlib"))

# What the flags above turn off.
OPTIMIZED = {
    "xla_backend_optimization_level": "3",
    "xla_cpu_use_fusion_emitters": "True",
    "xla_cpu_parallel_codegen_split_count": "32",
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
        """Slow examples of the documentation run with small presets."""
        if not (isinstance(item, pytest.DoctestItem) and item.get_closest_marker("slow")):
            return (yield)
        with pytest.MonkeyPatch.context() as patch:
            use_small_presets(patch)
            return (yield)


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
def same_numbers(request):
    """A test draws the same numbers from its module's RNG, whichever tests ran before."""
    rng = getattr(getattr(request.node, "module", None), "RNG", None)
    if rng is not None:
        rng.bit_generator.state = np.random.default_rng(1).bit_generator.state


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    """Compiled programs of tests do not go to the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def optimized_programs(programs_of_a_module):
    """Programs as users get them, for tests of what the compiler makes of them."""
    options = compilation.compiler_options
    made = (loop._jitted_init, loop.jitted_loop, loop._jitted_estimate)

    @functools.wraps(options.__wrapped__)
    def optimized(platform):
        ours = options(platform)
        return ours and ours | OPTIMIZED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "compiler_options", optimized)
        for cached in made:
            cached.cache_clear()
        yield
    for cached in made:
        cached.cache_clear()


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
