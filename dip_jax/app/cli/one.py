"""A run of the command on one picture: reads what the flags name, restores, reports."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import dip_jax
from dip_jax.app.cli.follow import Follower, emit_end, emit_start, expected
from dip_jax.app.cli.inputs import Inputs, read_inputs
from dip_jax.app.cli.picture import restore_file, restore_to_file
from dip_jax.app.cli.report import describe_inputs, note_unused, report_lines
from dip_jax.app.cli.request import Request, check_one
from dip_jax.app.cli.target import find_target
from dip_jax.app.errors import FitError, UserError, printable
from dip_jax.app.files.pictures import STREAM
from dip_jax.app.files.results import claim_folder
from dip_jax.app.files.snapshot import Snapshot
from dip_jax.app.machine import choose_device, used_bytes


def run_one(request: Request) -> int:
    """Restores the picture of a request; returns the exit code.

    Raises:
      UserError: for anything that the user can fix, before anything is written.
    """
    check_one(request)
    inputs = read_inputs(request, request.files)
    target = find_target(request, inputs.origin)
    snapshot = _find_snapshot(request)
    device = choose_device(request.backend)
    task, picture = request.task.name, request.files.image or inputs.name
    follower = Follower(request.voice, picture, snapshot=snapshot)
    try:
        if target is not None:
            _introduce(request, inputs.shown, device)
            outcome = restore_to_file(request, inputs, target, device, progress=follower)
        else:
            with claim_folder(
                request.out,
                f"{inputs.name}-{task}",
                overwrite=request.overwrite,
                resume=request.resume,
            ) as folder:
                _introduce(request, inputs, device)
                outcome = restore_file(request, inputs, folder, device, progress=follower)
    except FitError as error:
        request.voice.emit("failed", picture=picture, problem=str(error))
        print(f"dip-jax: {error}", file=sys.stderr)
        return 1
    emit_end(request, picture, outcome)
    if outcome.result is None:
        request.voice.say(f"finished before; {printable(str(request.out))} is left as it is")
        return 0
    for line in report_lines(outcome.record, outcome.result, resumable=target is None):
        request.voice.say(line)
    for note in outcome.notes:
        request.voice.say(f"note: {note}")
    for path in outcome.paths:
        request.voice.say(f"  {printable(str(path))}")
    request.voice.detail(f"memory: {used_bytes() / 1e9:.2f} GB in use")
    return 130 if outcome.result.interrupted else 0


def _find_snapshot(request: Request) -> Snapshot | None:
    """Returns the file that shows the picture as it develops, if one is wanted.

    Raises:
      UserError: if it can't be written, or is there and may not be replaced.
    """
    path = request.snapshot
    if path is None:
        return None
    if path.suffix.lower() != ".png":
        raise UserError("snapshot", path, "must end in .png")
    if not path.parent.is_dir():
        raise UserError("snapshot", path, "lies in a folder that does not exist; make it first")
    if path.exists() and not (request.overwrite or request.resume):
        raise UserError("snapshot", path, "exists; name another file, or pass --overwrite")
    files = request.files
    read = {"image": files.image, **files.data, "reference": files.reference}
    read["noise_from"] = request.options.get("noise_from")
    for flag, name in read.items():
        if name and name != STREAM and _is_same(path, Path(name)):
            whose = "the picture itself" if flag == "image" else f"the file of --{flag}"
            raise UserError("snapshot", path, f"is {whose}; name another file")
    return Snapshot(path, request.voice.note)


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def _introduce(request: Request, inputs: Inputs, device: str) -> None:
    """Says what is about to be done."""
    task, preset, say = request.task.name, request.preset.name, request.voice.say
    say(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {device}")
    say(describe_inputs(inputs))
    if part := inputs.part:
        say(f"a preview, from {part.left},{part.top} on; the noise is that of the whole picture")
    for note in note_unused(request, inputs):
        say(f"note: {note}")
    if guess := expected(request, inputs):
        say(guess)
    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "flax", "numpy"))
    request.voice.detail(f"settings: {json.dumps(request.preset.as_data())}")
    request.voice.detail(f"versions: {versions}")
    emit_start(request, inputs, request.files.image or inputs.name, device)
