"""What a run's report says, from a result that no fit has made."""

import json

import numpy as np
import pytest

from dip_jax.app.cli.inputs import Inputs
from dip_jax.app.cli.report import (
    describe_inputs,
    make_record,
    make_scores,
    mark_origin,
    note_unused,
    report_lines,
)
from dip_jax.app.files import ORIGIN
from dip_jax.app.restore.span import Span
from dip_jax.noise import NoiseModel, Verdict
from tests.app.cli.test_request import request_of
from tests.app.common import unfitted

RNG = np.random.default_rng(0)
CLEAN = RNG.integers(0, 256, (12, 15, 3)).astype(np.float32) / 255
NOISY = np.clip(CLEAN + 0.1 * RNG.standard_normal(CLEAN.shape), 0, 1).astype(np.float32)
NOISE = NoiseModel("gaussian", 25.4)


@pytest.fixture
def asked():
    """Of the command without flags."""
    return request_of("p.png")


@pytest.fixture
def inputs():
    return Inputs("p", NOISY, None, {}, CLEAN, None, ORIGIN, "", NOISY)


@pytest.fixture
def result(asked):
    return unfitted(CLEAN, asked.preset)._replace(
        trace={
            "loss": np.zeros(7),
            "chosen": np.array([1, 2, 3, 1, 2, 2, 2]),
            "member": np.array([0, 0, 0, 1, 1, 1, 1]),
            "restores": np.array([0, 1, 1, 0, 0, 2, 2]),
        },
        members=2,
        noise=NOISE,
        fit_seconds=3.21,
    )


def lines(record, result, **options):
    return list(report_lines(record, result, **options))


def test_scores_are_of_the_picture_and_of_the_result(inputs, result):
    scores = make_scores(inputs, result)
    assert list(scores) == ["degraded", "restored"]
    error = np.mean((np.round(NOISY * 255) - np.round(CLEAN * 255)) ** 2)
    assert scores["degraded"]["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=0.01)
    assert scores["restored"]["psnr"] == np.inf
    assert make_scores(inputs._replace(reference=None), result) == {}


def test_the_record_can_be_read_by_json(asked, inputs, result):
    scores = make_scores(inputs, result)
    record = json.loads(json.dumps(make_record(asked, inputs, result, scores, "a CPU")))
    assert record["scores"]["restored"]["psnr"] == "inf"
    assert record["steps"] == 7
    assert record["chosen_steps"] == [3, 2]
    assert record["restores"] == 3
    assert record["picture"]["noise"] == {"kind": "gaussian", "level": 25.4, "clipped": False}
    assert record["picture"]["noise_estimated"] is True
    assert record["picture"]["shape"] == [12, 15, 3]
    assert record["uncertainty_rank_correlation"] is None


def test_the_lines_of_a_run(asked, inputs, result):
    record = make_record(asked, inputs, result, make_scores(inputs, result), "a CPU")
    told = lines(record, result)
    assert told[0] == "done: 7 steps in 3.2 s, and 0.0 s to compile"
    assert "the picture combines 2 fits" in told
    assert any(line.endswith("the picture is that of step 3, 2") for line in told)
    assert "noise: gaussian, sigma 25.4 of 255 (estimated; --sigma sets it)" in told
    assert any("was set back 3 times" in line for line in told)
    assert told[-1].startswith("  restored     inf dB psnr")


def test_an_interrupted_run_says_how_to_go_on(asked, inputs, result):
    stopped = result._replace(interrupted=True)
    record = make_record(asked, inputs, stopped, {}, "a CPU")
    told = lines(record, stopped)
    assert told[0].startswith("interrupted after 7 steps")
    assert told[1] == "the same command with this --out and --resume continues"
    assert told[1] not in lines(record, stopped, resumable=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"verdict": Verdict("white", NOISE, "shared by none")},
            "white, sigma 25.4 of 255; shared",
        ),
        ({"verdict": Verdict("none", NOISE, "0.3 levels")}, "the picture is returned unchanged"),
        ({"span": Span(0.0, 0.0156)}, "fitted in its own range, from 0 to 0.0156 of 1"),
        ({"doubt": "it is worse than a blur"}, "note: it is worse than a blur; try another --seed"),
    ],
)
def test_what_was_found_is_told(changes, words, asked, inputs, result):
    found = result._replace(**changes)
    record = make_record(asked, inputs, found, {}, "a CPU")
    assert any(words in line for line in lines(record, found))


def test_settings_go_into_the_metadata_unless_told_otherwise(asked, inputs, result):
    record = make_record(asked, inputs, result, {}, "a CPU")
    told = json.loads(mark_origin(asked, inputs, record).metadata.settings)
    assert told["settings"]["task"]["name"] == "denoise"
    assert "chunk_steps" not in told["settings"]["counts"]
    assert told["noise"]["level"] == 25.4
    silent = asked._replace(settings=False)
    assert not mark_origin(silent, inputs, record).metadata.settings


def test_a_picture_in_a_line(inputs):
    assert describe_inputs(inputs) == "p: 15x12, RGB"
    grey = inputs._replace(observed=NOISY[:, :, :1], damage="sigma 25")
    assert describe_inputs(grey) == "p: 15x12, grey, sigma 25"


@pytest.mark.parametrize(
    ("flags", "notes"),
    [
        (["--preset=paper", "--sigma=25"], 1),
        (["--preset=paper", "--sigma=25", "--steps=100"], 0),
        (["--sigma=25"], 0),
    ],
)
def test_a_level_of_no_use_is_noted(flags, notes, inputs):
    assert len(note_unused(request_of("p.png", *flags), inputs)) == notes
