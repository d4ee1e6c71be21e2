"""The table of flags, and the help that shows it."""

import re

from dip_jax.app.cli import command
from dip_jax.app.cli.flags import FLAGS, MANY, SETTINGS, help_text, task_flags
from dip_jax.app.recipe import TASKS


def test_help_shows_every_flag_once_and_in_order(capsys):
    assert command.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text == help_text() + "\n"
    shown = re.findall(r"^  --(\w+)", text, re.MULTILINE)
    assert shown == [flag.name for flag in FLAGS]
    assert len(set(shown)) == len(shown)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "--every" not in text  # an old name


def test_help_shows_the_value_and_the_default_of_a_flag():
    text = help_text()
    assert "--task=denoise|" in text
    assert "--steps=N" in text
    assert "--sigma=X" in text
    assert "--image=NAME" in text
    assert "[on; --nofit_memory for off]" in text
    assert "0: one after each chunk. [30.0]" in re.sub(r"\s+", " ", text)


def test_every_table_is_part_of_the_whole():
    own = [flag for task in TASKS.values() for flag in task_flags(task)]
    assert {*own, *SETTINGS, *MANY} <= set(FLAGS)
    assert all(flag.help for flag in FLAGS)
