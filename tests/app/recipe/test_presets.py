import functools
import json

import jax
import numpy as np
import pytest

import dip_jax
from dip_jax.app.cli.request import as_flag
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import CATALOGUE, PRESETS, TASKS, find_preset, list_presets

# Which of the original's networks (tests/golden/param_counts.json) each preset builds.
COUNTED = {
    ("paper", "denoise"): "denoise_F16 / sr / restoration colour: skip 5x128, skip4, in32, out3",
    (
        "paper",
        "super_resolve",
    ): "denoise_F16 / sr / restoration colour: skip 5x128, skip4, in32, out3",
    ("x8", "super_resolve"): "denoise_F16 / sr / restoration colour: skip 5x128, skip4, in32, out3",
    ("paper", "reconstruct"): "jpeg snail: in3 [8,16,32,64,128] skip [0,0,0,4,4]",
    ("paper", "inpaint"): "inpaint kate: in32 5x128 skip128 nearest",
    ("vase", "inpaint"): "inpaint vase: in2 5x128 skip0 nearest",
    (
        "library",
        "inpaint",
    ): "inpaint library: in1 [16,32,64,128,128,128] skip0 k5 down no1x1 nearest",
    ("half", "inpaint"): "restoration barbara: same, out1",
    ("sparse", "inpaint"): "restore kate: in32 [16,32,64,128,128] skip0 avg",
}


@pytest.mark.parametrize("key", COUNTED)
def test_paper_presets_build_the_original_networks(key, golden_folder):
    name, task = key
    preset = find_preset(name, task)
    counts = json.loads((golden_folder / "param_counts.json").read_text(encoding="utf-8"))
    channels = 1 if "out1" in COUNTED[key] or key[0] == "half" else 3
    depth = 2 if preset.method.input == "meshgrid" else preset.method.depth
    assert count_parameters(channels, depth, preset.network.options) == counts[COUNTED[key]]


@functools.cache  # presets share networks
def count_parameters(channels, depth, options):
    generator = dip_jax.Skip(channels=channels, **dict(options))
    z = jax.ShapeDtypeStruct((128, 128, depth), np.float32)
    params = jax.eval_shape(generator.init, jax.random.key(0), z)
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_every_preset_but_our_own_is_the_papers():
    own = {("fast", task) for task in TASKS} | {
        ("best", "denoise"),
        ("best", "inpaint"),
        ("best", "super_resolve"),
        ("best", "deblur"),
        ("sure", "denoise"),
        ("quick", "denoise"),
    }
    assert {(p.name, p.task.name) for p in PRESETS} == COUNTED.keys() | own


def test_our_denoisers_refine():
    refining = {p.name for p in PRESETS if getattr(p.task, "refine", False)}
    assert refining == {"fast", "best", "quick", "sure"}


def test_presets_are_hashable_and_named_once():
    assert len({(p.name, p.task.name) for p in PRESETS}) == len(set(PRESETS)) == len(PRESETS)


def test_table_shows_all():
    lines = list_presets().splitlines()
    for entry, line, below in zip(CATALOGUE, lines[::2], lines[1::2], strict=True):
        assert line.startswith(entry.preset.name)
        assert str(entry.preset.counts.steps) in line
        assert entry.source in line
        assert entry.expected
        assert below.strip() == entry.expected


def test_task_follows_from_a_preset_with_one():
    assert find_preset("vase").task.name == "inpaint"
    assert find_preset("paper").task.name == "denoise"


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("papr", "denoise", "--preset=papr: is unknown; did you mean paper?"),
        ("zzz", None, "there are fast, best, quick, sure, paper, x8"),
        ("vase", "denoise", "is a preset for the task inpaint, not denoise"),
    ],
)
def test_unknown_presets(name, task, words):
    with pytest.raises(UserError) as caught:
        find_preset(name, task)
    assert words in str(as_flag(caught.value))


OWN = dict.fromkeys(p.network for p in PRESETS if (p.name, p.task.name) not in COUNTED)


@pytest.mark.parametrize("network", OWN, ids=lambda network: str(network.options))
def test_our_own_networks_can_be_built(network):
    """At their full size, which other tests replace by small ones."""
    generator = network.build(3)
    z = jax.ShapeDtypeStruct((64, 64, 4), np.float32)
    image, params = jax.eval_shape(generator.init_with_output, jax.random.key(0), z)
    assert image.shape == (64, 64, 3)
    assert set(params["params"]) == {*(f"level{scale}" for scale in range(5)), "out_conv"}
