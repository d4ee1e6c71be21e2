"""A run of the command on one picture: reads what the flags name, restores, reports."""

import sys

import dip_jax
from dip_jax.app.cli.flags import Command, check_one
from dip_jax.app.cli.inputs import read_inputs
from dip_jax.app.cli.picture import restore_file
from dip_jax.app.cli.report import describe_inputs, note_unused, report_lines
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
    device = choose_device(command.backend)
    task, preset = command.task.name, command.preset.name
    with claim_folder(
        command.out,
        f"{inputs.name}-{task}",
        overwrite=command.overwrite,
        resume=command.resume,
    ) as folder:
        print(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {device}")
        print(describe_inputs(inputs))
        for note in note_unused(command, inputs):
            print(f"note: {note}")
        try:
            outcome = restore_file(command, inputs, folder, device)
        except FitError as error:
            print(f"dip-jax: {error}", file=sys.stderr)
            return 1
    if outcome.result is None:
        print(f"finished before; {printable(str(folder))} is left as it is")
        return 0
    for line in report_lines(outcome.record, outcome.result):
        print(line)
    for path in outcome.paths:
        print(f"  {printable(str(path))}")
    return 130 if outcome.result.interrupted else 0
