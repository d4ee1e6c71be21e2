"""Programs are compiled so that a CPU computes them right (jax issue 39103)."""

import ast
import functools
import pathlib
import pickle
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from dip_jax import compilation
from dip_jax.base import Algorithm, Info
from tests.toy import picture

pytestmark = pytest.mark.usefixtures("optimized_programs")
PACKAGE = pathlib.Path(dip_jax.__file__).parent
# An odd number of pixels above 32,768: with jax 0.10.2's own options 7,233 values come out wrong.
PIXELS = np.random.default_rng(0).uniform(size=(40_001, 3)).astype(np.float32)
WANTED = np.sum(PIXELS**2, axis=1)


def energy(pixels):
    matrix = jnp.eye(3)
    return jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))(pixels)


def wrong(values):
    """The number of wrong values."""
    return np.count_nonzero(~np.isclose(values, WANTED, rtol=1e-5, atol=1e-6))


class State(NamedTuple):
    pixels: jax.Array
    energy: jax.Array


def step(state, task):
    state = state._replace(energy=energy(state.pixels))
    return state, Info(jnp.sum(state.energy), state.pixels, {"last": state.energy[-1]})


ALGORITHM = Algorithm(
    init=lambda key, task, z: State(z, energy(z)),
    step=step,
    estimate=lambda state: energy(state.pixels),
)
TASK = dip_jax.denoise(picture())


def test_a_function():
    assert wrong(compilation.jit(energy)(PIXELS)) == 0


def test_a_function_of_which_vmap_makes_another():
    row = compilation.jit(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2))
    assert wrong(jax.vmap(row)(PIXELS)) == 0


def test_a_function_within_another():
    inner = compilation.jit(energy)
    assert wrong(compilation.jit(lambda pixels: inner(pixels) + 0)(PIXELS)) == 0


def test_the_loop():
    state, _ = dip_jax.run(ALGORITHM, jax.random.key(0), TASK, PIXELS, steps=0)
    assert wrong(state.energy) == 0
    state, trace = dip_jax.advance(ALGORITHM, state, TASK, steps=3)
    assert wrong(state.energy) == 0
    np.testing.assert_allclose(trace["loss"], np.sum(WANTED), rtol=1e-5)
    np.testing.assert_allclose(trace["last"], WANTED[-1], rtol=1e-5)


def test_the_estimate():
    assert wrong(dip_jax.estimate(ALGORITHM, State(jnp.asarray(PIXELS), jnp.zeros(1)))) == 0


def test_windows():
    """Of the same library (xla issue 48714); jax 0.10.2 and 0.11 compute all but one wrong."""
    pixels = np.resize(PIXELS, (64, 128))
    sparse = compilation.jit(
        lambda x: jax.lax.reduce_window(
            *(x, -jnp.inf, jax.lax.max, (2, 1), (2, 1)),
            padding="VALID",
            base_dilation=(1, 2),
        )
    )(pixels)
    wanted = np.full((32, 255), -np.inf)
    wanted[:, ::2] = np.max(pixels.reshape(32, 2, 128), axis=1)
    np.testing.assert_array_equal(sparse, wanted)


@functools.partial(compilation.jit, static_argnums=1, static_argnames="offset")
def scaled(x, factor, offset=0.0):
    """The tests' own."""
    assert isinstance(factor, float)
    assert isinstance(offset, float)
    return factor * x + offset


def test_it_decorates():
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "The tests' own."
    assert float(scaled(2.0, 3.0, offset=1.0)) == 7
    assert pickle.loads(pickle.dumps(scaled)) is scaled


def test_a_function_of_constants_is_traced_with_the_one_that_calls_it():
    outer = compilation.jit(lambda x: x + scaled(jnp.ones(()), 3.0))
    assert float(outer(1.0)) == 4
    assert "name=scaled" in str(jax.make_jaxpr(outer)(1.0))


def test_gradients_are_compiled_as_a_whole():
    gradient = jax.grad(lambda x: scaled(x, 3.0))
    assert float(compilation.jit(gradient)(1.0)) == 3
    if compilation.compiler_options("cpu"):
        with pytest.raises(ValueError, match="top-level"):
            gradient(1.0)


def test_a_second_call_is_not_traced_again():
    traces = []

    @compilation.jit
    def double(x):
        traces.append(1)
        return 2 * x

    for device in (None, *jax.devices()):
        double(jax.device_put(1.0, device))
    assert len(traces) == 1


def test_options_are_for_where_the_arguments_lie(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    here = jax.device_put(1.0, jax.devices("cpu")[0])
    assert compilation._platform(((here,), {})) == "cpu"
    with jax.default_device(None):  # Commands that ran before may have set one.
        assert compilation._platform(((1.0,), {})) == "gpu"
    for cpu in ("cpu", jax.devices("cpu")[1]):
        with jax.default_device(cpu):
            assert compilation._platform(((1.0,), {})) == "cpu"
    assert compilation.compiler_options("gpu") == {}


def test_options_that_jaxlib_lacks_are_left_out(monkeypatch):
    def jit(function, **options):
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: No such compile option")

    monkeypatch.setattr(jax, "jit", jit)
    assert compilation.compiler_options.__wrapped__("cpu") == {}


@pytest.mark.slow
def test_a_decorated_function_wakes_no_backend():
    code = (
        "from dip_jax import compilation; compilation.jit(abs); from jax._src import xla_bridge;"
        "assert not xla_bridge.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_one_module_calls_jit():
    callers = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if str(name) == "compilation.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Attribute):
                names = [ast.unparse(node)]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if {"jax.jit", "jax.pmap"} & set(names):
                callers.append(f"{name}:{node.lineno}")
    assert callers == []


@pytest.mark.slow
def test_compiler_options_change_no_gradient():
    """The options are experimental: what they compile must compute the same."""
    # So wide that a library would take the convolutions.
    generator = dip_jax.Skip(widths=(32,), skip_widths=0, upsampling="nearest", conv1x1_up=False)
    key, draw = jax.random.key(0), np.random.default_rng(0)
    z = dip_jax.inputs.uniform(key, 32, 32, depth=32)
    params = jax.tree.map(
        lambda leaf: draw.uniform(-0.1, 0.1, leaf.shape).astype(np.float32),
        jax.eval_shape(generator.init, key, z),
    )
    task = dip_jax.denoise(picture(32, 32, 3))

    def gradient(options):
        loss = lambda params: task.loss(generator.apply(params, z))  # noqa: E731
        compiled = jax.jit(jax.grad(loss)).lower(params).compile(options)
        return compiled(params), compiled.as_text()

    options = compilation.compiler_options("cpu")
    (plain, text), (ours, other) = gradient({}), gradient(options)
    if options:
        assert text.count("__ynn_fusion") > 0
        assert other.count("__ynn_fusion") == 0
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(plain))
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * largest)
