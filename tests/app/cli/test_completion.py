"""Completion, as bash does it."""

import shutil
import subprocess

import pytest

from dip_jax.app.cli import command
from dip_jax.app.cli.completion import complete_in_bash
from dip_jax.app.recipe import TASKS

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def complete(*words: str) -> list[str]:
    """What bash offers for the last of the words, which it has split at "="."""
    line = " ".join(f"'{word}'" for word in ("dip-jax", *words))
    script = f"""{complete_in_bash()}
compopt() {{ :; }}
COMP_WORDS=({line}) COMP_CWORD={len(words)}
_dip_jax
printf '%s\\n' "${{COMPREPLY[@]-}}"
"""
    run = subprocess.run(
        ["bash", "-uc", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert run.stderr == ""
    return run.stdout.split()


def test_flags():
    assert complete("--mask") == ["--mask=", "--mask_color=", "--mask_tolerance=", "--mask_box="]
    assert complete("a.png", "--inv") == ["--invert_mask"]
    assert complete("--nokeep") == ["--nokeep_known"]
    assert complete("--noref") == ["--norefine"]
    assert complete("--nothing") == []


def test_values_of_flags_with_choices():
    assert complete("--task", "=") == list(TASKS)
    assert complete("--task", "=", "de") == [task for task in TASKS if task.startswith("de")]
    assert complete("--mask", "=", "de") == []  # files, by bash itself


def test_paths_are_left_to_bash():
    assert complete("scans/") == []
    assert complete("") == []


def test_the_command_prints_it(capsys):
    assert command.main(["--completion=bash"]) == 0
    assert capsys.readouterr().out == complete_in_bash() + "\n"
