"""From the values of the flags to plain records, checked as far as possible without files."""

import math
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.app.cli.flags import FLAGS, MANY, SETTINGS, task_flags
from dip_jax.app.cli.voice import Voice
from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import format_of_suffix, why_not_written
from dip_jax.app.files.pictures import STREAM
from dip_jax.app.files.scale import Scale, parse_range
from dip_jax.app.machine import Cluster
from dip_jax.app.recipe import (
    DEFAULT_TASK,
    TASKS,
    Options,
    Preset,
    TaskSpec,
    change,
    find_preset,
    given_noise,
)
from dip_jax.noise import NoiseModel

_FOR_A_FILE = ("name", "format", "preview")  # flags of a result that is a file alone


class Files(NamedTuple):
    """The paths of a run's pictures; None for those not given."""

    image: str | None
    data: dict[str, str | None] = {}  # noqa: RUF012
    """What the flags of the task's data say, by name."""
    reference: str | None = None


class Request(NamedTuple):
    """What the flags say, checked as far as possible without files."""

    preset: Preset
    kind: str
    """Of the noise."""
    noise: NoiseModel | None
    """The noise, if its level is given."""
    files: Files
    options: Options
    """The task's flags."""
    given: frozenset[str]
    """The names of the flags that were given."""
    flags: dict[str, Any]
    """The values of all flags, for the record."""
    seed: int
    fit_memory: bool
    backend: str
    devices: int | None
    cluster: Cluster
    out: str | None
    overwrite: bool
    resume: bool
    checkpoint: float
    page: int | str | None
    scale: Scale | None
    """The values of black and white, if they are given."""
    strip: bool
    settings: bool
    """Whether the settings are written into the result's metadata."""
    recursive: bool
    warm_start: bool
    """Whether each of many pictures continues from the one before."""
    preview: str | None
    """The part to restore, for a first look."""
    name: str | None
    """The template for names of results."""
    snapshot: Path | None
    """The file that shows the picture as it develops."""
    suffix: str | None
    """Of results, if their format is given."""
    plain: bool
    """Whether the result is a file alone: for a plain path, with ``name`` or ``format``, and for a
    preview."""
    voice: Voice

    @property
    def task(self) -> TaskSpec:
        """What to do."""
        return self.preset.task


def read_request(values: dict[str, Any]) -> Request:
    """Returns the flags' values as records.

    Raises:
      UserError: for a value out of range, or flags that do not go together. It names an argument;
        :func:`as_flag` makes that a flag.
    """
    task = values["task"]
    if task is None and values["preset"] is None:
        task = _implied_task(values["given"])
    preset = find_preset(values["preset"] or "fast", task)
    spec = type(preset.task)
    _check_belonging(values, spec)
    names = [flag.name for flag in SETTINGS]
    names += [flag.name for flag in spec.flags if flag.name in spec.fields()]
    preset = change(preset, **{name: values[name] for name in names if values[name] is not None})
    if not 0 <= values["seed"] < 2**32:
        raise UserError("seed", values["seed"], "must be from 0 to 2**32 - 1")
    if not 0 <= values["checkpoint"] < math.inf:
        raise UserError("checkpoint", values["checkpoint"], "must be a number of seconds from 0 on")
    page = values["page"]
    if page is not None and page.removeprefix("-").isdecimal():
        page = int(page)
        if page < 1:
            raise UserError("page", page, "must be at least 1")
    if values["quiet"] and values["verbose"]:
        raise UserError("verbose", True, "can't go with --quiet; drop one")
    options = {flag.name: values[flag.name] for flag in task_flags(spec)}
    preset.task.check_options(options)
    if preset.task.makes_data(options) and values["reference"] is not None:
        problem = f"can't go with --{spec.damage_flag}, where --image is the reference; drop one"
        raise UserError("reference", values["reference"], problem)
    for name in _FOR_A_FILE:
        if values[name] is not None and values["image"] is None:
            raise UserError(name, values[name], "needs a picture; name one")
    return Request(
        preset=preset,
        kind=values["noise"],
        noise=given_noise(values["noise"], preset.task, values["sigma"], values["gain"]),
        files=Files(
            values["image"],
            {data.name: values[data.name] for data in spec.data},
            values["reference"],
        ),
        options=options,
        given=values["given"],
        flags={
            name: value
            for name, value in values.items()
            if name not in ("given", "plain", "help", "list_presets")
        },
        seed=values["seed"],
        fit_memory=values["fit_memory"],
        backend=values["backend"],
        devices=values["devices"],
        cluster=Cluster(
            values["distributed"], values["coordinator"], values["processes"], values["process"]
        ),
        out=_out(values),
        overwrite=values["overwrite"],
        resume=values["resume"],
        checkpoint=values["checkpoint"],
        page=page,
        scale=None if values["range"] is None else parse_range(values["range"]),
        strip=values["strip"],
        settings=values["settings"],
        recursive=values["recursive"],
        warm_start=values["warm_start"],
        name=values["name"],
        preview=values["preview"],
        snapshot=None if values["snapshot"] is None else Path(values["snapshot"]),
        suffix=None if values["format"] is None else parse_format(values["format"]),
        plain=values["plain"] or any(values[name] for name in _FOR_A_FILE),
        voice=read_voice(values),
    )


def parse_format(text: str) -> str:
    """Returns the suffix of the format that a text such as ``jpg`` names.

    Raises:
      UserError: for a format that can't be written.
    """
    suffix = f".{text.removeprefix('.').lower()}"
    if problem := why_not_written(format_of_suffix(Path(f"picture{suffix}"))):
        raise UserError("format", text, problem)
    return suffix


def read_voice(values: dict[str, Any]) -> Voice:
    """Returns the voice that the flags ask for."""
    aside, events = _out(values) == STREAM, values["progress"] == "json"
    return Voice(aside, values["quiet"], values["verbose"], events)


def _out(values: dict[str, Any]) -> str | None:
    """Returns where results go; ``-`` alone means from standard input to standard output."""
    streams = values["plain"] and values["image"] == STREAM and values["name"] is None
    return STREAM if streams and values["out"] is None else values["out"]


def check_one(request: Request) -> None:
    """Raises a UserError for flags that are only for many pictures."""
    for flag in MANY:
        if flag.name in request.given and request.flags[flag.name] is not False:
            raise UserError(flag.name, request.flags[flag.name], "is for many pictures; drop it")


def as_flag(error: UserError) -> UserError:
    """Returns the error with the flag's name in place of the argument's."""
    names = {flag.name for flag in FLAGS}
    name = f"--{error.name}" if error.name in names else error.name
    return type(error)(name, error.value, error.problem_and_mend)


def _implied_task(given: frozenset[str]) -> str:
    """Returns the task to which the flags given belong, if they belong to one only."""
    names = {name: {flag.name for flag in task_flags(task)} for name, task in TASKS.items()}
    own = given & set().union(*names.values())
    suitable = [name for name in TASKS if own <= names[name]]
    return suitable[0] if len(suitable) == 1 and own else DEFAULT_TASK


def _check_belonging(values: dict[str, Any], task: type[TaskSpec]) -> None:
    """Raises a UserError for flags of other tasks, which would be ignored."""
    own = {flag.name for flag in task_flags(task)}
    for flag in FLAGS:
        owners = [
            other.name
            for other in TASKS.values()
            if flag.name in {each.name for each in task_flags(other)}
        ]
        if flag.name in values["given"] and owners and flag.name not in own:
            raise UserError(
                flag.name,
                values[flag.name],
                f"has no meaning for --task={task.name}; it belongs to {' and '.join(owners)}",
            )
