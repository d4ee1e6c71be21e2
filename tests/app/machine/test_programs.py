"""Traced programs on disk: who finds one traces nothing, and gets the same bits."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax import loop
from dip_jax.app.machine import programs
from tests.toy import Convolutions, Toy, picture

Y = picture(16, 16)
Z = jax.random.uniform(jax.random.key(1), (16, 16, 2))
FIT, CONVOLUTIONS = (
    dip_jax.average(dip_jax.dip(net, optax.adam(0.1), jitter=0.1), 0.9)
    for net in (Toy(leak=0.5), dip_jax.Flat(Convolutions(channels=1)))
)
# Restores by the public call; told to, it fails where a step is traced.
PROCESS = """
import sys
import numpy as np
from dip_jax import loop
from dip_jax.app.machine.device import choose_device
from dip_jax.app import restore

def no_tracing(*args):
    raise AssertionError("traced")

if sys.argv[1] == "hits":
    loop.take_steps = no_tracing
choose_device("cpu")
result = restore(
    np.random.default_rng(0).random((9, 13, 3), np.float32), task="reconstruct",
    options=(("widths", (4,)), ("skip_widths", 2)), steps=2, progress=False,
)
print(result.image.tobytes().hex())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Jax's folder of compiled programs, for this test."""
    monkeypatch.setattr(programs, "_PLATFORMS", ("cpu",))
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
    programs.clear()


def fitted(program, task=None, fit=FIT):
    """State and trace after five steps, in calls of two, as in another process."""
    programs.clear()
    task = task or dip_jax.denoise(Y, reference=Y)
    state, _ = dip_jax.run(fit, jax.random.key(0), task, Z, steps=0)
    state, trace = dip_jax.advance(fit, state, task, steps=5, every=2, program=program)
    leaves = [
        leaf
        for leaf in jax.tree.leaves(state)
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
    return jax.tree.map(np.asarray, (leaves, trace))


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("dip_jax-"))


@pytest.mark.parametrize(
    "fit",
    [
        pytest.param(FIT, id="toy"),
        pytest.param(CONVOLUTIONS, id="convolutions", marks=pytest.mark.slow),
    ],
)
def test_what_is_kept_gives_the_same_bits(folder, monkeypatch, fit):
    plain = fitted(None, fit=fit)
    first = fitted(programs.cached_program("one"), fit=fit)
    assert len(files(folder)) == 1
    traced, take_steps = [], loop.take_steps

    def counted(*args):
        traced.append(args)
        return take_steps(*args)

    monkeypatch.setattr(loop, "take_steps", counted)
    second = fitted(programs.cached_program("one"), fit=fit)
    assert not traced
    jax.tree.map(np.testing.assert_array_equal, plain, first)
    jax.tree.map(np.testing.assert_array_equal, plain, second)
    fitted(programs.cached_program("another"), fit=fit)
    assert len(traced) == 1


@pytest.mark.slow
def test_another_process_traces_nothing(tmp_path):
    """The name is the same in processes of other hash seeds."""
    pictures = []
    for number, mode in enumerate(["traces", "hits"]):
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
            "PYTHONHASHSEED": str(number),
        }
        command = [sys.executable, "-c", PROCESS, mode]
        process = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        pictures.append(process.stdout)
    assert pictures[0] == pictures[1]
    assert len(files(tmp_path)) == 1


def test_one_program_for_all_calls(folder):
    program = programs.cached_program("toy")
    fitted(program)
    assert len(files(folder)) == 1
    before = programs.compilations("cpu")
    task = dip_jax.denoise(1 - Y, reference=Y)
    state, _ = dip_jax.run(FIT, jax.random.key(1), task, Z, steps=0)
    given = jax.tree.leaves(state)
    for path in folder.iterdir():  # it may be deleted at any time
        path.unlink()
    dip_jax.advance(FIT, state, task, steps=70, program=program)
    assert programs.compilations("cpu") == before
    assert all(leaf.is_deleted() for leaf in given if leaf.size > 1)  # its memory was reused


@pytest.mark.slow
def test_what_decides_the_program_decides_the_name(folder, monkeypatch):
    program = programs.cached_program("toy")
    fitted(program)
    fitted(program, dip_jax.denoise(Y))  # other records
    assert len(files(folder)) == 2
    fitted(program, dip_jax.total_variation(dip_jax.denoise(Y), 0.1))
    other = dip_jax.denoise(Y)
    fitted(program, other._replace(loss=jax.tree_util.Partial(_halved, *other.loss.args)))
    assert len(files(folder)) == 4
    with jax.default_matmul_precision("float32"):
        fitted(program)
    assert len(files(folder)) == 5
    monkeypatch.setattr(programs, "_SOURCES", ("changed",))
    fitted(program)
    assert len(files(folder)) == 6
    monkeypatch.setattr(programs, "_SOURCES", ())  # none that could be told from others
    fitted(programs.cached_program("another"))
    assert len(files(folder)) == 6


def _halved(*args):
    return 0.5 * dip_jax.denoise(Y).loss.func(*args)


@pytest.mark.slow
def test_a_changed_setting_changes_the_program_in_use(folder):
    """As it does that of jit."""
    program, task = programs.cached_program("toy"), dip_jax.denoise(Y)
    losses = {}
    for partitionable in (True, False):
        with jax.threefry_partitionable(partitionable):
            for way in (program, None):
                state, _ = dip_jax.run(FIT, jax.random.key(0), task, Z, steps=0)
                trace = dip_jax.advance(FIT, state, task, steps=2, program=way)[1]
                losses[partitionable, way is None] = trace["loss"]
    for partitionable in (True, False):
        np.testing.assert_array_equal(losses[partitionable, True], losses[partitionable, False])
    assert np.any(losses[True, True] != losses[False, True])


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_file_is_written_again(folder, keep):
    first = fitted(programs.cached_program("toy"))
    (path,) = folder.glob("dip_jax-*")
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    second = fitted(programs.cached_program("toy"))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert len(path.read_bytes()) == len(whole)


def test_a_function_without_a_name_keeps_nothing(folder):
    task = dip_jax.denoise(Y)
    nameless = task._replace(loss=jax.tree_util.Partial(lambda x: jnp.mean((x - Y) ** 2)))
    fitted(programs.cached_program("toy"), nameless)
    assert not files(folder)


def test_what_jax_cannot_write_still_runs(folder, monkeypatch):
    """Keys of threefry4x32, for instance, are a KeyError."""

    def fails(exported):
        raise KeyError("key<fry4>")

    plain = fitted(None)
    monkeypatch.setattr(programs.export.Exported, "serialize", fails)
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.cached_program("toy")))
    assert not files(folder)


def test_where_nothing_can_be_written_it_still_runs(folder, monkeypatch):
    def full(path):
        raise OSError("no space left")

    plain = fitted(None)
    monkeypatch.setattr(programs, "replacing", full)
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.cached_program("toy")))
    assert not files(folder)
    jax.config.update("jax_compilation_cache_dir", None)
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.cached_program("toy")))
    jax.config.update("jax_compilation_cache_dir", str(folder / "absent"))
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.cached_program("toy")))
