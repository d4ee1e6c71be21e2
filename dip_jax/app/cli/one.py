"""A run of the command on one picture: reads what the flags name, restores, reports."""

import sys

import dip_jax
from dip_jax.app.cli.flags import Command, check_one
from dip_jax.app.cli.inputs import Inputs, read_inputs
from dip_jax.app.cli.picture import restore_file, restore_to_file
from dip_jax.app.cli.report import describe_inputs, note_unused, report_lines
from dip_jax.app.cli.target import find_target
from dip_jax.app.errors import FitError, printable
from dip_jax.app.files.results import claim_folder
from dip_jax.app.machine import choose_device


def run_one(command: Command) -> int:
    """Does what the command says; returns the exit code.

    Raises:
      UserError: for anything that the user can mend, before anything is written.
    """
    check_one(command)
    inputs = read_inputs(command, command.files)
    target = find_target(command, inputs.origin)
    device = choose_device(command.backend)
    task = command.task.name
    try:
        if target is not None:
            _introduce(command, inputs, device)
            outcome = restore_to_file(command, inputs, target, device)
        else:
            with claim_folder(
                command.out,
                f"{inputs.name}-{task}",
                overwrite=command.overwrite,
                resume=command.resume,
            ) as folder:
                _introduce(command, inputs, device)
                outcome = restore_file(command, inputs, folder, device)
    except FitError as error:
        print(f"dip-jax: {error}", file=sys.stderr)
        return 1
    if outcome.result is None:
        print(f"finished before; {printable(str(command.out))} is left as it is")
        return 0
    for line in report_lines(outcome.record, outcome.result, resumable=target is None):
        print(line)
    for note in outcome.notes:
        print(f"note: {note}")
    for path in outcome.paths:
        print(f"  {printable(str(path))}")
    return 130 if outcome.result.interrupted else 0


def _introduce(command: Command, inputs: Inputs, device: str) -> None:
    """Prints what is about to be done."""
    task, preset = command.task.name, command.preset.name
    print(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {device}")
    print(describe_inputs(inputs))
    for note in note_unused(command, inputs):
        print(f"note: {note}")
