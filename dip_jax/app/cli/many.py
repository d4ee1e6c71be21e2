"""A run of the command on many pictures: one after the other, failures reported at the end."""

import contextlib
import os
import sys
from pathlib import Path

import jax

import dip_jax
from dip_jax.app.cli.batch import Batch
from dip_jax.app.cli.listing import Entry, list_pictures, note_skipped, note_spare_partners
from dip_jax.app.cli.picture import common_settings
from dip_jax.app.cli.request import Request
from dip_jax.app.cli.target import find_targets, names_file
from dip_jax.app.errors import UserError, printable
from dip_jax.app.files import read_picture
from dip_jax.app.files.earlier import check_ours, check_resumable
from dip_jax.app.files.results import claim_folder
from dip_jax.app.files.summary import check_summary, write_summary
from dip_jax.app.machine import choose_devices, compilations, find_place
from dip_jax.app.recipe import Data


def run_many(request: Request) -> int:
    """Restores every picture of a request; returns the exit code.

    Raises:
      UserError: for a mistake that concerns all of them, before anything is written.
    """
    image = str(request.files.image)
    _check_suits_many(request)
    given = _partners(request)
    entries = list_pictures(image, given, recursive=request.recursive)
    _check_data(request, entries)
    _check_apart(request, entries)
    targets = find_targets(request, entries)
    if targets is not None:
        entries = [entry for entry in entries if entry.name in targets]
    _check_warm_start(request)
    if request.cluster.expected and request.out is None:
        raise UserError("out", None, "is needed with several processes, the same for all")
    task, preset = request.task.name, request.preset.name
    with _claim(request, targets) as folder:
        # Several processes wait for each other in here, before any of them writes.
        place = find_place(request.cluster)
        devices = choose_devices(request.backend, 1 if request.warm_start else request.devices)
        common = common_settings(request)
        if targets is None and request.resume and not request.overwrite:
            check_summary(folder)
            for entry in entries:
                check_ours(folder / entry.name)
                check_resumable(folder / entry.name, common)
        say = request.voice.say
        say(f"dip-jax {dip_jax.__version__}: {task}, preset {preset}, on {devices.description}")
        say(f"{len(entries)} pictures, to {printable(str(folder))}")
        for note in [
            *note_skipped(image, recursive=request.recursive),
            *note_spare_partners(entries, given, recursive=request.recursive),
        ]:
            request.voice.note(printable(note))
        share = entries[place.index :: place.count]
        if place.count > 1:
            say(f"process {place.index} of {place.count}: {len(share)} of them")
        before = compilations(jax.default_backend())
        batch = Batch(request, folder, targets, devices)
        batch.restore_all(share)
        compiled = compilations(jax.default_backend()) - before
        done = len(share) - len(batch.failures)
        say(f"{done} of {len(share)} pictures done, with {compiled} programs compiled")
        for failed, problem in batch.failures.items():
            print(f"  {printable(failed)}: {problem}", file=sys.stderr)
        paths: list[Path] = []
        if targets is None:  # for all processes' pictures: whichever ends last writes it whole
            paths = write_summary(folder, [entry.name for entry in entries], common)
    for path in paths:
        request.voice.say(f"  {printable(str(path))}")
    if batch.interrupted:
        return 130
    return 1 if batch.failures else 0


def _check_suits_many(request: Request) -> None:
    """Raises a UserError for flags that are for one picture."""
    if names_file(request.out):
        raise UserError("out", request.out, "is one file, for many pictures; name a folder")
    for name in ("preview", "snapshot"):
        if request.flags[name] is not None:
            raise UserError(name, request.flags[name], "is for one picture; name one")


def _claim(
    request: Request, targets: dict[str, Path] | None
) -> contextlib.AbstractContextManager[Path]:
    """Returns a context that creates and checks the folder of all results."""
    image = str(request.files.image)
    name = Path(image).resolve().stem if "*" not in image else "pictures"
    if targets is None:
        return claim_folder(
            request.out,
            f"{name}-{request.task.name}",
            overwrite=request.overwrite,
            resume=request.resume,
        )
    # Existing files were checked by ``find_targets``.
    common = os.path.commonpath([path.parent.absolute() for path in targets.values()])
    folder = request.out or os.path.relpath(common)
    return claim_folder(folder, "", overwrite=True, resume=False)


def _partners(request: Request) -> dict[str, str | None]:
    """Returns the flags that may name a folder with a file for each picture."""
    data = {
        each.name: request.files.data[each.name] for each in request.task.data if each.per_pixel
    }
    return data | {"reference": request.files.reference}


def _check_data(request: Request, entries: list[Entry]) -> None:
    """Raises a UserError if the task's data are missing, and no demonstration makes them."""
    for data in request.task.data:
        if request.files.data[data.name] is None and not request.task.makes_data(request.options):
            _check_pictures(request, entries, data)


def _check_pictures(request: Request, entries: list[Entry], data: Data) -> None:
    """Raises a UserError if no picture, with these flags, gives an array of the task.

    Mistakes that concern some pictures only are reported when it is their turn.
    """
    problem = f"is needed for --task={request.task.name}; {data.hint}"
    missing = UserError(data.name, None, problem)
    errors = []
    for entry in entries if data.in_picture else []:
        try:
            picture = read_picture(entry.image, page=request.page, scale=request.scale)
            if data.read(None, picture, request.options)[0] is not None:
                return
            errors.append(missing)
        except UserError as error:
            errors.append(error)
    raise missing if missing in errors or not errors else errors[0]


def _check_apart(request: Request, entries: list[Entry]) -> None:
    """Raises a UserError if results would lie among the pictures."""
    if request.out is None:
        return
    source, out = Path(str(request.files.image)), Path(request.out).resolve()
    if source.is_dir() and out.is_relative_to(source.resolve()):
        raise UserError("out", request.out, "lies in the folder of pictures; name one beside it")
    for entry in entries:
        if Path(entry.image).resolve().is_relative_to(out):
            problem = f"holds {entry.image}, one of the pictures; name another folder"
            raise UserError("out", request.out, problem)


def _check_warm_start(request: Request) -> None:
    """Raises a UserError if pictures can't continue from each other."""
    if not request.warm_start:
        return
    if request.cluster.expected or request.devices not in (None, 1):
        problem = "needs one process and one device, since each picture waits for the one before"
        raise UserError("warm_start", True, f"{problem}; drop one of the flags")
    if not request.preset.counts.later_steps:
        problem = "needs --later_steps above 0, which these settings lack; add --later_steps=100"
        raise UserError("warm_start", True, problem)
