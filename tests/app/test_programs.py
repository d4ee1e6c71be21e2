"""Traced programs on disk: who finds one traces nothing, and gets the same bits."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax import loop
from dip_jax.app import programs
from tests.toy import Toy, picture

Y = picture(16, 16)
Z = jax.random.uniform(jax.random.key(1), (16, 16, 2))
FIT, CONVOLUTIONS = (
    dip_jax.average(dip_jax.dip(net, optax.adam(0.1), jitter=0.1), 0.9)
    for net in (Toy(leak=0.5), dip_jax.Skip(channels=1, widths=(4,), skip_widths=2))
)


@pytest.fixture
def folder(tmp_path):
    """Jax's folder of compiled programs, for this test."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
    programs._compiled.clear()


def fitted(program, task=None, fit=FIT):
    """State and trace after five steps, in calls of two."""
    programs._compiled.clear()  # as in another process
    task = task or dip_jax.denoise(Y, reference=Y)
    state, _ = dip_jax.run(fit, jax.random.key(0), task, Z, steps=0)
    state, trace = dip_jax.advance(fit, state, task, steps=5, every=2, program=program)
    leaves = [leaf for leaf in jax.tree.leaves(state) if not _is_key(leaf)]
    return jax.tree.map(np.asarray, (leaves, trace))


def _is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("dip_jax-"))


def no_tracing(*args):
    raise AssertionError("traced")


@pytest.mark.parametrize("fit", [FIT, CONVOLUTIONS], ids=["toy", "convolutions"])
def test_another_process_traces_nothing_and_gets_the_same_bits(folder, monkeypatch, fit):
    plain = fitted(None, fit=fit)
    first = fitted(programs.kept("one"), fit=fit)
    assert len(files(folder)) == 1
    monkeypatch.setattr(loop, "take_steps", no_tracing)
    second = fitted(programs.kept("one"), fit=fit)
    jax.tree.map(np.testing.assert_array_equal, plain, first)
    jax.tree.map(np.testing.assert_array_equal, plain, second)
    with pytest.raises(AssertionError, match="traced"):
        fitted(programs.kept("another"), fit=fit)


def test_one_program_for_all_calls(folder):
    program = programs.kept("toy")
    fitted(program)
    before = programs.compilations("cpu")
    task = dip_jax.denoise(1 - Y, reference=Y)
    state, _ = dip_jax.run(FIT, jax.random.key(1), task, Z, steps=0)
    dip_jax.advance(FIT, state, task, steps=70, program=program)
    assert programs.compilations("cpu") == before


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_file_is_written_again(folder, keep):
    first = fitted(programs.kept("toy"))
    (path,) = folder.glob("dip_jax-*")
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    second = fitted(programs.kept("toy"))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert len(path.read_bytes()) == len(whole)


def test_other_sources_settings_and_shapes_have_other_names(folder, monkeypatch):
    fitted(programs.kept("toy"))
    fitted(programs.kept("toy"), dip_jax.denoise(Y))
    assert len(files(folder)) == 2
    jax.config.update("jax_numpy_rank_promotion", "allow")
    fitted(programs.kept("toy"))
    jax.config.update("jax_numpy_rank_promotion", "raise")
    assert len(files(folder)) == 3
    monkeypatch.setattr(programs, "_sources", lambda: ("changed",))
    fitted(programs.kept("toy"))
    assert len(files(folder)) == 4


def test_a_function_without_a_name_keeps_nothing(folder):
    task = dip_jax.denoise(Y)
    nameless = task._replace(loss=jax.tree_util.Partial(lambda x: jnp.mean((x - Y) ** 2)))
    fitted(programs.kept("toy"), nameless)
    assert not files(folder)


def test_where_nothing_can_be_written_it_still_runs(folder, monkeypatch):
    def full(path):
        raise OSError("no space left")

    plain = fitted(None)
    monkeypatch.setattr(programs, "replacing", full)
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.kept("toy")))
    assert not files(folder)
    jax.config.update("jax_compilation_cache_dir", None)
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.kept("toy")))
    jax.config.update("jax_compilation_cache_dir", str(folder / "absent"))
    jax.tree.map(np.testing.assert_array_equal, plain, fitted(programs.kept("toy")))
