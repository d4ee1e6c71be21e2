"""The command's flags: defined here or by the tasks, read once into plain records."""

import math
import os
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import format_of_suffix
from dip_jax.app.machine import Cluster
from dip_jax.app.recipe import (
    AUTO,
    DEFAULT_TASK,
    NETWORKS,
    RULES,
    TASKS,
    Flag,
    Options,
    Preset,
    TaskSpec,
    change,
    find_preset,
    given_noise,
)
from dip_jax.app.recipe.methods import INPUTS
from dip_jax.noise import NoiseModel

USAGE = """\
dip-jax: restores one damaged picture with Deep Image Prior, without training data.

  dip-jax                                       a demonstration
  dip-jax noisy.png                             remove noise: noisy_restored.png
  dip-jax noisy.png clean.tif                   the same, to a file of your choice
  dip-jax p.png --task=inpaint --mask=m.png     fill holes
  dip-jax small.png --task=super_resolve        enlarge
  dip-jax blocky.jpg --task=reconstruct         remove JPEG artefacts
  dip-jax photos/ clean/                        a whole folder

With --image=IN in place of IN, or a folder as OUT, a comparison, the settings and the course of
the fit are kept beside the result.

Flags [and what holds without them]:
"""
_RULES = "; ".join(f"{name}: {rule.summary}" for name, rule in RULES.items())
# Flags of the picture, which come first in --help; the tasks' own flags follow.
_PICTURE = (
    Flag("task", tuple(TASKS), None, f"What to do [{DEFAULT_TASK}, or what the preset is for]."),
    Flag(
        "image",
        str,
        None,
        "The picture; or many: a folder, a pattern such as 'photos/*.png', or a .txt file with "
        "one path a line [scikit-image's astronaut, damaged for the task].",
    ),
    Flag("page", int, None, "Which page or frame of a file with several, from 1 on [the first]."),
)
# Flags that set a setting of the preset, by the setting's name.
_SETTINGS = (
    Flag("generator", str, None, f"The network: {', '.join(NETWORKS)} [the preset's]."),
    Flag("input", INPUTS, None, "What the network is fed [the preset's]."),
    Flag(
        "stop",
        (AUTO, *RULES),
        None,
        f"When to stop. {_RULES} [auto: held_out where the task has independent noise or holes, "
        "r2r where noise is correlated, else none; none for the paper's presets].",
    ),
    Flag(
        "hide",
        float,
        None,
        "Fraction of known pixels to hide at each step (blind-spot training; needs no noise "
        "level); 0 turns it off [0.2 to inpaint where single pixels are missing here and there, "
        "else 0; 0 for the paper's presets].",
    ),
    Flag(
        "tv",
        float,
        None,
        "Weight of the picture's mean total variation in the loss; more is smoother [the "
        "preset's, 0].",
    ),
    Flag(
        "strength",
        float,
        None,
        "How much of the change to the picture is applied, from 0 to 100 percent [100].",
    ),
    Flag("steps", int, None, "Steps of optimisation, at most [the preset's]."),
    Flag(
        "members",
        int,
        None,
        "Fits with different seeds, from --seed on. The result is their mean; where they differ, "
        "the picture is uncertain [the preset's: 2 for best, else 1].",
    ),
    Flag("tile", int, None, "Restore in overlapping squares of so many pixels a side [0: whole]."),
    Flag("chunk_steps", int, None, "Steps between updates of the display [the preset's]."),
)
_RUN = (
    Flag("fit_memory", bool, False, "Use tiles of a size that fits, if the picture does not."),
    Flag("seed", int, 0, "Decides everything random."),
    Flag("backend", ("auto", "cpu", "gpu", "tpu"), "auto", "Where to compute."),
)
# Flags for many pictures, which one picture would ignore.
_MANY = (
    Flag(
        "devices",
        int,
        None,
        "Many pictures: on so many devices of this machine at once [all accelerators, one CPU].",
    ),
    Flag(
        "distributed",
        bool,
        False,
        "Many pictures, many processes: each takes its share. Under SLURM, Open MPI or on a TPU "
        "pod they find each other.",
    ),
    Flag("coordinator", str, None, "Elsewhere: HOST:PORT of process 0, any free port,"),
    Flag("processes", int, None, "how many processes there are,"),
    Flag("process", int, None, "and which this one is, from 0 on."),
)
_OUTPUT = (
    Flag(
        "out",
        str,
        None,
        "Or -o: a file for the result, in the format of its suffix; or a folder for all results "
        "[IN_restored beside a plain IN; dip-jax-results/<picture>-<task> for --image].",
    ),
    Flag("overwrite", bool, False, "Let --out hold files; those of the same names are replaced."),
    Flag("strip", bool, False, "Leave out EXIF, XMP, resolution; the colour profile stays."),
    Flag(
        "resume",
        bool,
        False,
        "Go on with the run in --out that was killed; what is finished there stays. With "
        "--overwrite, what has other settings is done anew.",
    ),
    Flag("checkpoint", float, 30.0, "Seconds between checkpoints, 0 for one after each chunk."),
    Flag("list_presets", bool, False, "Show all presets and end."),
    Flag("version", bool, False, "Show the version."),
    Flag("help", bool, False, "Show this text."),
)
_REFERENCE = Flag(
    "reference",
    str,
    None,
    "The true picture; for scores only. With many pictures, a folder of the same names.",
)
_PRESET = Flag("preset", str, None, "A named set of numbers, see --list_presets [fast].")
# Old names, still understood.
_ALIASES = {"every": "chunk_steps"}
_SHORT = {"help": "h", "out": "o"}


def task_flags(task: type[TaskSpec]) -> tuple[Flag, ...]:
    """Returns all flags of a task, those of its data first."""
    return (*(data.flag for data in task.data), *task.flags)


def _all_flags() -> tuple[Flag, ...]:
    own = [flag for task in TASKS.values() for flag in task_flags(task)]
    rest = (_REFERENCE, _PRESET, *_SETTINGS, *_RUN, *_MANY, *_OUTPUT)
    assert len({flag.name for flag in own}) == len(set(own)), "a flag defined twice"
    return tuple({flag.name: flag for flag in (*_PICTURE, *own, *rest)}.values())


FLAGS = _all_flags()


class Files(NamedTuple):
    """Where a run's pictures lie; None for those that it has not."""

    image: str | None
    data: dict[str, str | None] = {}  # noqa: RUF012
    """What the flags of the task's data say, by name."""
    reference: str | None = None


class Command(NamedTuple):
    """What the flags say, checked as far as that needs no file."""

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
    page: int | None
    strip: bool
    plain: bool
    """Whether the picture was named by a plain path, so that its result is a file."""

    @property
    def task(self) -> TaskSpec:
        """What to do."""
        return self.preset.task


def parse(argv: list[str]) -> dict[str, Any]:
    """Returns the values of all flags, and the names of those given as ``given``.

    Raises:
      UserError: for anything that is no flag, or no value of one.
    """
    values = _define()
    try:
        rest = values(["dip-jax", *argv])[1:]
    # ValueError and OSError: a value for --noFLAG, a --flagfile that is none.
    except (flags.Error, ValueError, OSError) as error:
        problem = "is no text file" if isinstance(error, UnicodeDecodeError) else error
        raise UserError("", "", f"{problem}; see --help") from error
    for flag in FLAGS:
        if flag.kind is str and values[flag.name].value == "":  # an unset shell variable
            raise UserError(f"--{flag.name}", "", "is empty; name a file or a folder, or drop it")
    known = {flag.name: values[flag.name].value for flag in FLAGS}
    given = {flag.name for flag in FLAGS if values[flag.name].present}
    plain = _plain_paths(rest, given)
    given |= plain.keys()
    return known | plain | {"given": frozenset(given), "plain": "image" in plain}


def _plain_paths(rest: list[str], given: set[str]) -> dict[str, str]:
    """Returns what the arguments that are no flags name: the picture, and where its result goes.

    Raises:
      UserError: for too many, or one beside the flag that says the same.
    """
    names = ("image", "out")
    if "" in rest:
        raise UserError("", "", "an empty path was given; name a file or a folder, or drop it")
    if len(rest) > len(names):
        mend = "for many pictures, name their folder, or a pattern in quotes"
        raise UserError(rest[2], "", f"is a third path, after IN and OUT; {mend}")
    for name, path in zip(names, rest, strict=False):
        if name in given:
            raise UserError(path, "", f"is a path too many beside --{name}; drop one")
    if rest and rest[0] in TASKS and not os.path.exists(rest[0]):
        raise UserError(rest[0], "", f"is no file; write --task={rest[0]}")
    if len(rest) == 2 and Path(rest[1]).suffix and not Path(rest[1]).is_dir():
        known = rest[1].endswith("/") or format_of_suffix(Path(rest[1])) is not None
        if not known:
            mend = "take .png, .tif or .jpg, or end a folder's name with /"
            raise UserError("out", rest[1], f"has a suffix of no known format; {mend}")
    return dict(zip(names, rest, strict=False))


def _define() -> flags.FlagValues:
    """Returns the command's flags, in a holder of their own."""
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow plain paths
    define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
    }
    for kind_name, kind, default, text in ((f.name, f.kind, f.default, f.help) for f in FLAGS):
        if isinstance(kind, tuple):
            flags.DEFINE_enum(kind_name, default, kind, text, flag_values=values)
        else:
            short = _SHORT.get(kind_name)
            define[kind](kind_name, default, text, flag_values=values, short_name=short)
    for old, new in _ALIASES.items():
        flags.DEFINE_alias(old, new, flag_values=values)
    return values


def help_text() -> str:
    """Returns the whole ``--help``."""
    lines = [USAGE]
    for name, kind, default, text in FLAGS:
        if isinstance(kind, tuple):
            value = "=" + "|".join(kind)
        else:
            value = {str: "=NAME", int: "=N", float: "=X", bool: ""}[kind]
        holds = ""
        if default is True:
            holds = f" [on; --no{name} for off]"
        elif default not in (None, False):
            holds = f" [{default}]"
        lines.append(f"  --{name}{value}")
        lines.append(textwrap.indent(textwrap.fill(text + holds, 80), " " * 6))
    return "\n".join(lines)


def read_command(values: dict[str, Any]) -> Command:
    """Returns the flags' values as records.

    Raises:
      UserError: for a value out of range, or flags that do not go together. It names an argument;
        :func:`as_flag` makes that a flag.
    """
    task = values["task"]
    if task is None and values["preset"] is None:
        task = DEFAULT_TASK
    preset = find_preset(values["preset"] or "fast", task)
    spec = type(preset.task)
    _check_belonging(values, spec)
    names = [flag.name for flag in _SETTINGS]
    names += [flag.name for flag in spec.flags if flag.name in spec.fields()]
    preset = change(preset, **{name: values[name] for name in names if values[name] is not None})
    if not 0 <= values["seed"] < 2**32:
        raise UserError("seed", values["seed"], "must be from 0 to 2**32 - 1")
    if not 0 <= values["checkpoint"] < math.inf:
        raise UserError("checkpoint", values["checkpoint"], "must be a number of seconds from 0 on")
    if values["page"] is not None and values["page"] < 1:
        raise UserError("page", values["page"], "must be at least 1")
    options = {flag.name: values[flag.name] for flag in task_flags(spec)}
    preset.task.check_options(options)
    if preset.task.makes_data(options) and values["reference"] is not None:
        problem = f"can't go with --{spec.damage_flag}, where --image is the reference; drop one"
        raise UserError("reference", values["reference"], problem)
    return Command(
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
        out=values["out"],
        overwrite=values["overwrite"],
        resume=values["resume"],
        checkpoint=values["checkpoint"],
        page=values["page"],
        strip=values["strip"],
        plain=values["plain"],
    )


def check_one(command: Command) -> None:
    """Raises a UserError for flags that only many pictures heed."""
    for flag in _MANY:
        if flag.name in command.given:
            raise UserError(flag.name, command.flags[flag.name], "is for many pictures; drop it")


def as_flag(error: UserError) -> UserError:
    """Returns the error with the flag's name in place of the argument's."""
    names = {flag.name for flag in FLAGS}
    name = f"--{error.name}" if error.name in names else error.name
    return type(error)(name, error.value, error.problem_and_mend)


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
