"""Which line goes to which stream."""

import json

import pytest

from dip_jax.app.cli.voice import Voice


def speak(voice):
    voice.say("said")
    voice.detail("detail")
    voice.note("noted")
    voice.emit("step", step=3)


@pytest.mark.parametrize(
    ("voice", "out", "err"),
    [
        (Voice(), ["said"], ["dip-jax: note: noted"]),
        (Voice(verbose=True), ["said", "detail"], ["dip-jax: note: noted"]),
        (Voice(quiet=True), [], []),
        (Voice(aside=True), [], ["said", "dip-jax: note: noted"]),
        (Voice(events=True), ["EVENT"], ["said", "dip-jax: note: noted"]),
        (Voice(events=True, quiet=True), ["EVENT"], []),
        (Voice(events=True, aside=True), [], ["EVENT"]),
    ],
)
def test_streams(voice, out, err, capsys):
    speak(voice)
    event = {"event": "step", "step": 3}
    for lines, expected in zip(capsys.readouterr(), (out, err), strict=True):
        found = ["EVENT" if line[0] == "{" else line for line in lines.splitlines()]
        assert found == expected
        assert all(json.loads(line) == event for line in lines.splitlines() if line[0] == "{")


def test_a_bar_is_for_people():
    assert Voice().bar
    assert not Voice(quiet=True).bar
    assert not Voice(events=True).bar
