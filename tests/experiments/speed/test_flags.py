"""Every benchmark's flags: wrong ones, and the help text."""

import importlib

import pytest


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("step", "--sizes=abc"),
        ("step", "--sizes=7"),
        ("step", "--sizes=100"),
        ("step", "--networks=wide"),
        ("step", "--dtypes=float64"),
        ("loop", "--kinds=device,while"),
        ("startup", "--rounds=0"),
        ("startup", "--preset=fats"),
        ("folder", "--pictures=1"),
        ("folder", "--preset=fats"),
        ("folder", "--ways=folder,both"),
        ("folder", "--ways="),
        ("folder", "--sides=64"),
        ("folder", "--sides=64,64"),
        ("folder", "--sides=16,64"),
        ("folder", "--sides=64,513"),
        ("checkpoint", "--presets=fats"),
        ("checkpoint", "--steps=1"),
        ("memory", "--sizes=abc"),
        ("memory", "--sizes=7"),
        ("memory", "--sizes=65"),
        ("memory", "--presets=fats"),
        ("memory", "--limit_gb=-1"),
        ("roofline", "--size=7"),
        ("roofline", "--size=65"),
        ("roofline", "--sizes=64"),
        ("roofline", "64"),
    ],
)
def test_a_wrong_flag_is_one_line(name, flag, capsys):
    assert importlib.import_module(f"experiments.speed.{name}").main([flag]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert flag.split("=", maxsplit=1)[0].lstrip("-") in lines[0]


PROGRAMS = ["step", "loop", "startup", "memory", "roofline", "folder", "checkpoint"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_shows_a_command_line(name, capsys):
    assert importlib.import_module(f"experiments.speed.{name}").main(["--help"]) == 0
    text = capsys.readouterr().out
    assert f"python -m experiments.speed.{name}" in text
    assert "--out" in text
