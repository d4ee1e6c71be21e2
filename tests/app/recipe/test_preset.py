"""A preset's settings: changed by name, and checked."""

import math
import re

import numpy as np
import pytest

from dip_jax.app.errors import UserError
from dip_jax.app.recipe import (
    NETWORKS,
    Adam,
    BlindSpot,
    ByHoles,
    Counts,
    Denoise,
    Inpaint,
    Network,
    Plain,
    Preset,
    Recorrupted,
    SuperResolve,
    Sure,
    change,
    find_preset,
)
from dip_jax.app.recipe.preset import setting_names

DENOISE, INPAINT = find_preset("fast", "denoise"), find_preset("fast", "inpaint")
PAPER = find_preset("paper", "denoise")
SHALLOW, WIDE = (method.replace(depth=4) for method in (INPAINT.method.areas, INPAINT.method.wide))
FED = "has no meaning where the network is fed the picture"


def test_a_setting_goes_to_the_record_that_has_it():
    preset = find_preset("fast", "super_resolve")
    changed = change(preset, steps=7, learning_rate=0.5, factor=3, average_decay=0.0, jitter=0.0)
    assert changed == preset.replace(
        counts=preset.counts.replace(steps=7),
        optimizer=preset.optimizer.replace(learning_rate=0.5),
        task=SuperResolve(factor=3, lanczos_lobes=3),
        average_decay=0.0,
        method=preset.method.replace(jitter=0.0),
    )
    assert change(preset) == preset
    assert preset.counts.steps != 7


@pytest.mark.parametrize(
    ("preset", "settings", "method"),
    [
        (DENOISE, {"hide": 0.5}, BlindSpot(0.5)),
        (DENOISE, {"hide": 0}, Recorrupted(0.5)),
        (DENOISE, {"hide": None}, Recorrupted(0.5)),
        (DENOISE, {"noise_share": 0.2}, Recorrupted(0.2)),
        (DENOISE, {"noise_share": 0.2, "hide": 0}, Recorrupted(0.2)),
        (DENOISE, {"extra_noise": 0.3}, Sure(0.3)),
        (find_preset("sure", "denoise"), {"noise_share": 0.3}, Recorrupted(0.3)),
        (PAPER, {"noise_share": 0.3}, Recorrupted(0.3)),
        (PAPER, {"depth": 8}, PAPER.method.replace(depth=8)),
        (PAPER, {"hide": 0.3}, BlindSpot(0.3)),
        (PAPER, {"hide": 0.0}, PAPER.method),
        (INPAINT, {"hide": 0.3}, BlindSpot(0.3, fill_first=True)),
        (INPAINT, {"hide": 0.3, "fill_first": False}, BlindSpot(0.3)),
        (INPAINT, {"hide": 0}, INPAINT.method.replace(scattered=INPAINT.method.areas)),
        (INPAINT, {"hide": 0, "depth": 4}, ByHoles(SHALLOW, SHALLOW, WIDE)),
        (INPAINT, {"hide": None}, INPAINT.method),
        (
            INPAINT,
            {"depth": 4},
            INPAINT.method.replace(areas=SHALLOW, wide=WIDE),
        ),
        (INPAINT, {"fill_first": False}, BlindSpot(0.2)),
        (change(DENOISE, hide=0.5), {"hide": 0}, Plain()),
        (change(DENOISE, hide=0.5), {"hide": 0.3}, BlindSpot(0.3)),
    ],
)
def test_settings_select_the_method(preset, settings, method):
    assert change(preset, **settings).method == method


@pytest.mark.parametrize(
    ("preset", "settings", "words"),
    [
        (DENOISE, {"step": 10}, "step=10: is not a setting; did you mean steps?"),
        (DENOISE, {"task": Inpaint()}, "is not a setting"),
        (DENOISE, {"name": "mine"}, "name=mine: is not a setting"),
        (DENOISE, {"factor": 2}, "factor=2: has no meaning for denoise; it belongs to super"),
        (DENOISE, {"keep_known": 1}, "it belongs to inpaint and super_resolve"),
        (INPAINT, {"noise_share": 0.5}, "noise_share=0.5: has no meaning for inpaint"),
        (find_preset("fast", "reconstruct"), {"hide": 0.5}, "hide=0.5: must be 0 for the task rec"),
        (DENOISE, {"depth": 8}, f"depth=8: {FED}; drop it, or take preset=paper"),
        (DENOISE, {"input": "nose"}, "input=nose: is unknown; did you mean noise?"),
        (DENOISE, {"hide": 0.5, "depth": 8}, f"depth=8: {FED}; drop it, or take hide=0"),
        (
            DENOISE,
            {"noise_share": 0.2, "extra_noise": 0.5},
            "extra_noise=0.5: does not go with noise_share; drop one of them",
        ),
        (PAPER, {"depth": 8, "extra_noise": 0.5}, "extra_noise=0.5: does not go with depth"),
        (PAPER, {"extra_noise": 0.5, "depth": 8}, "extra_noise=0.5: does not go with depth"),
        (DENOISE, {"generator": "unett"}, "generator=unett: is unknown; did you mean unet?"),
        (DENOISE, {"stop": "discrepancy"}, "stop=discrepancy: does not suit denoise, preset fast"),
        (PAPER, {"stop": "discrepancy", "hide": 0.5}, "stop=discrepancy: does not suit denoise"),
    ],
)
def test_settings_that_mean_nothing_are_refused(preset, settings, words):
    with pytest.raises(UserError, match=re.escape(words)):
        change(preset, **settings)


def test_an_input_that_hidden_pixels_would_ignore_is_refused():
    preset = change(INPAINT, input="image")
    scattered = (np.random.default_rng(0).random((40, 40, 1)) > 0.5).astype(np.float32)
    with pytest.raises(UserError, match=f"^input=image: {FED}; drop it, or take hide=0$"):
        preset.method.resolve(scattered, None)
    area = np.ones((40, 40, 1), np.float32)
    area[5:20, 5:20] = 0
    assert preset.method.resolve(area, None).input == "image"
    assert INPAINT.method.resolve(scattered, None) == BlindSpot(0.2, fill_first=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("alpha", "noise_share"),
        ("extra", "extra_noise"),
        ("decay", "average_decay"),
        ("lobes", "lanczos_lobes"),
        ("every", "chunk_steps"),
        ("b2", "adam_b2"),
    ],
)
def test_old_names_are_told_the_new_ones(old, new):
    with pytest.raises(UserError, match=f"^{old}=3: is now called {new}$"):
        change(DENOISE, **{old: 3})
    assert new in setting_names()
    assert old not in setting_names()


def test_whole_records_may_be_given():
    records = {
        "counts": Counts(5),
        "network": Network("unet"),
        "method": Plain(depth=4),
        "optimizer": Adam(0.1),
        "stop": "none",
    }
    own = DENOISE.task.replace(refine=False)  # its noise need not be known any more
    assert change(DENOISE, **records) == DENOISE.replace(**records, task=own)
    both = change(DENOISE, counts=Counts(5), tile=64, method=Sure(0.1), extra_noise=0.2)
    assert (both.counts, both.method) == (Counts(5, tile=64), Sure(0.2))
    assert change(DENOISE, method=Plain(), stop="discrepancy").stop == "discrepancy"


def test_another_generator_brings_its_own_options():
    preset = change(DENOISE, generator="resnet")
    assert preset.network == Network("resnet", NETWORKS["resnet"].options)
    assert preset.optimizer == DENOISE.optimizer.replace(learning_rate=0.001)
    assert preset.method == DENOISE.method
    assert change(preset, options={"blocks": 2}).network.options == (("blocks", 2),)
    own = change(DENOISE, generator="resnet", options={"blocks": 2}, learning_rate=0.5)
    assert own.network == Network("resnet", (("blocks", 2),))
    assert own.optimizer.learning_rate == 0.5
    assert change(DENOISE, generator=DENOISE.network.generator) == DENOISE


def test_decoders_are_fed_fixed_noise_unless_told_otherwise():
    preset = change(DENOISE, generator="deep_decoder")
    assert isinstance(DENOISE.method, Recorrupted)
    depth = dict(preset.network.options)["width"]
    assert preset.method == Plain(input="noise", depth=depth, jitter=0.0)
    assert preset.optimizer.learning_rate == 0.01
    assert preset.optimizer.adam_b2 == 0.999
    assert change(DENOISE, generator="deep_decoder", jitter=0.1).method.jitter == 0.1
    assert change(find_preset("vase"), generator="deep_decoder").method.input == "noise"


def test_settings_may_be_lists_as_a_report_holds_them():
    options = {"widths": [4, 4], "skip_widths": 4}
    changed = change(DENOISE, options=options)
    assert dict(changed.network.options)["widths"] == (4, 4)
    assert changed == change(DENOISE, options=[list(pair) for pair in options.items()])
    hash(changed)
    assert changed == change(DENOISE, options=[list(pair) for pair in options.items()])
    hash(changed)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Counts(0), "steps=0: must be at least 1"),
        (lambda: Counts(2.5), "steps=2.5: must be an integer"),
        (lambda: Counts(1, chunk_steps=0), "chunk_steps=0: must be at least 1"),
        (lambda: Counts(1, members=10**9 + 1), "members=1000000001: must be at least 1 and at"),
        (lambda: Counts(1, tile=40), "tile=40: must be 0, or at least 64 pixels"),
        (lambda: Counts(1, tile=-1), "tile=-1: must be"),
        (lambda: Network("skipp"), "generator=skipp: is unknown; did you mean skip?"),
        (lambda: Plain(input="nose"), "input=nose: is unknown; did you mean noise?"),
        (lambda: Plain(depth=0), "depth=0: must be at least 1"),
        (lambda: Plain(jitter=-1), "jitter=-1: must be a number of at least 0"),
        (lambda: Recorrupted(1.0), "noise_share=1.0: must be above 0 and below 1"),
        (lambda: Recorrupted(0.0), "noise_share=0.0: must be above 0 and below 1"),
        (lambda: Recorrupted(math.nan), "noise_share=nan: must be above 0 and below 1"),
        (lambda: Sure(0.0), "extra_noise=0.0: must be above 0"),
        (lambda: Sure(-0.1), "extra_noise=-0.1: must be"),
        (lambda: Sure(math.nan), "extra_noise=nan: must be"),
        (lambda: BlindSpot(0.01), "hide=0.01: must be a fraction from 0.05 to 1, or 0"),
        (lambda: BlindSpot(1.5), "hide=1.5: must be a fraction"),
        (lambda: BlindSpot(math.nan), "hide=nan: must be a fraction"),
        (lambda: BlindSpot("0.5"), "hide=0.5: must be a fraction"),
        (lambda: Inpaint(missing=100), "missing=100: must be a percentage between 0 and 100"),
        (lambda: SuperResolve(factor=17), "factor=17: must be at least 2 and at most 16"),
        (lambda: SuperResolve(factor=2.5), "factor=2.5: must be an integer"),
        (lambda: SuperResolve(lanczos_lobes=4), "lanczos_lobes=4: must be 2 or 3"),
        (lambda: DENOISE.replace(stop="psnr"), "stop=psnr: is unknown; there are auto, r2r"),
        (lambda: DENOISE.replace(tv=math.inf), "tv=inf: must be a number of at least 0"),
        (lambda: DENOISE.replace(average_decay=1.0), "average_decay=1.0: must be at least 0 and"),
        (lambda: INPAINT.replace(method=Recorrupted()), "method=recorrupted: does not suit the ta"),
        (
            lambda: DENOISE.replace(method=ByHoles(BlindSpot(), Plain(), Plain())),
            "method=by_holes: does not suit the task denoise",
        ),
        (
            lambda: Preset(name="mine", task=Denoise(), counts=Counts(1), tv=-1),
            "tv=-1: must be a number of at least 0",
        ),
    ],
)
def test_records_check_themselves(make, words):
    with pytest.raises(UserError, match="^" + re.escape(words)):
        make()


def test_few_steps_for_later_tiles_are_the_presets_own_methods():
    fast = find_preset("fast", "denoise")
    assert fast.counts.later_steps > 0
    assert change(fast, steps=50, noise_share=0.2).counts.later_steps == fast.counts.later_steps
    for settings in ({"hide": 0.5}, {"generator": "deep_decoder"}, {"extra_noise": 0.3}):
        assert change(fast, **settings).counts.later_steps == 0
        assert change(fast, later_steps=9, **settings).counts.later_steps == 9
