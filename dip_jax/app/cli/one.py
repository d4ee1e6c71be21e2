"""A run of the command on one picture: reads what the flags name, restores, reports."""

import sys

import dip_jax
from dip_jax.app.cli.inputs import Inputs, read_inputs
from dip_jax.app.cli.picture import restore_file, restore_to_file
from dip_jax.app.cli.report import describe_inputs, note_unused, report_lines
from dip_jax.app.cli.request import Request, check_one
from dip_jax.app.cli.target import find_target
from dip_jax.app.errors import FitError, printable
from dip_jax.app.files.results import claim_folder
from dip_jax.app.machine import choose_device


def run_one(request: Request) -> int:
    """Does what the request says; returns the exit code.

    Raises:
      UserError: for anything that the user can mend, before anything is written.
    """
    check_one(request)
    inputs = read_inputs(request, request.files)
    target = find_target(request, inputs.origin)
    device = choose_device(request.backend)
    task = request.task.name
    try:
        if target is not None:
            _introduce(request, inputs, device)
            outcome = restore_to_file(request, inputs, target, device)
        else:
            with claim_folder(
                request.out,
                f"{inputs.name}-{task}",
                overwrite=request.overwrite,
                resume=request.resume,
            ) as folder:
                _introduce(request, inputs, device)
                outcome = restore_file(request, inputs, folder, device)
    except FitError as error:
        print(f"dip-jax: {error}", file=sys.stderr)
        return 1
    if outcome.result is None:
        request.voice.say(f"finished before; {printable(str(request.out))} is left as it is")
        return 0
    for line in report_lines(outcome.record, outcome.result, resumable=target is None):
        request.voice.say(line)
    for note in outcome.notes:
        request.voice.say(f"note: {note}")
    for path in outcome.paths:
        request.voice.say(f"  {printable(str(path))}")
    return 130 if outcome.result.interrupted else 0


def _introduce(request: Request, inputs: Inputs, device: str) -> None:
    """Says what is about to be done."""
    task, preset, say = request.task.name, request.preset.name, request.voice.say
    say(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {device}")
    say(describe_inputs(inputs))
    for note in note_unused(request, inputs):
        say(f"note: {note}")
