"""The table of the command's flags, its own and those of the tasks."""

import textwrap

from dip_jax.app.recipe import AUTO, DEFAULT_TASK, NETWORKS, RULES, TASKS, Flag, TaskSpec
from dip_jax.app.recipe.methods import INPUTS

USAGE = """\
dip-jax: restores one damaged picture with Deep Image Prior, without training data.

  dip-jax                                       a demonstration
  dip-jax noisy.png                             remove noise: noisy_restored.png
  dip-jax noisy.png clean.tif                   the same, to a file of your choice
  dip-jax p.png --mask=m.png                    fill holes
  dip-jax small.png --task=super_resolve        enlarge
  dip-jax blocky.jpg --task=reconstruct         remove JPEG artefacts
  dip-jax photos/ clean/                        a whole folder
  cat a.png | dip-jax - - > b.png               from and to a program; --format=jpg for b.jpg

With --image=IN in place of IN, or a folder as OUT, a comparison, the settings and the values of
each step are saved beside the result.

Flags [and their defaults]:
"""
_RULES = "; ".join(f"{name}: {rule.summary}" for name, rule in RULES.items())
# Flags of the picture, which come first in --help; the tasks' own flags follow.
_PICTURE = (
    Flag(
        "task",
        tuple(TASKS),
        None,
        f"Task [inferred from the preset or flags such as --mask; else {DEFAULT_TASK}].",
    ),
    Flag(
        "image",
        str,
        None,
        "The picture; or many: a folder, a pattern such as 'photos/*.png', or a .txt file with "
        "one path a line [scikit-image's astronaut, damaged for the task].",
    ),
    Flag(
        "page",
        str,
        None,
        "The page, frame or array to read, by its number, from 1 on, or by its name [the first].",
    ),
    Flag(
        "range",
        str,
        None,
        "The values of black and white: LOW,HIGH, such as 0,4095 [found from the type and the "
        "range of the values].",
    ),
)
_PREVIEW = Flag(
    "preview",
    str,
    None,
    "Restore a part only, for a first look: X,Y,WIDTH,HEIGHT in pixels from the top left, or "
    "center. The noise is still measured in the whole picture. The result is IN_preview.",
)
# Flags that set a setting of the preset, by the setting's name.
SETTINGS = (
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
        "level); 0 turns it off [0.2 to inpaint scattered single pixels, else 0; 0 for the paper's "
        "presets].",
    ),
    Flag(
        "tv",
        float,
        None,
        "Weight of the picture's mean total variation in the loss; larger is smoother [the "
        "preset's: 0.01 to deblur, else 0].",
    ),
    Flag(
        "strength",
        float,
        None,
        "How much of the change to the picture is applied, from 0 to 100 percent [100].",
    ),
    Flag("steps", int, None, "Maximum number of optimisation steps [the preset's]."),
    Flag(
        "members",
        int,
        None,
        "Number of fits, with seeds from --seed on, combined into one result; where they differ, "
        "the picture is uncertain [the preset's: 2 for best, and to enlarge by fast, else 1].",
    ),
    Flag(
        "tile",
        int,
        None,
        "Restore in overlapping squares of N pixels a side; 0: whole [0; 256 to denoise more than "
        "0.64 megapixels by fast, best or quick].",
    ),
    Flag(
        "later_steps",
        int,
        None,
        "Steps of each tile after the first and, with --warm_start, of each picture after the "
        "first: these continue from the network of the one before. 0: tiles are fitted from "
        "scratch [the preset's].",
    ),
    Flag("chunk_steps", int, None, "Steps between updates of the display [the preset's]."),
)
_RUN = (
    Flag(
        "fit_memory",
        bool,
        True,
        "If the picture does not fit the memory, restore it in tiles that do; else refuse it.",
    ),
    Flag("seed", int, 0, "Seed of all random numbers."),
    Flag(
        "backend",
        str,
        "auto",
        "Where to compute: auto, cpu, gpu or tpu; or one of several devices, such as gpu:1.",
    ),
)
# Flags for many pictures, which one picture would ignore.
MANY = (
    Flag("recursive", bool, False, "With a folder: include its subfolders."),
    Flag(
        "warm_start",
        bool,
        False,
        "Many pictures: each continues from the network of the one before, in --later_steps steps. "
        "For frames of a film, slices of a stack, pictures of one camera and exposure.",
    ),
    Flag(
        "devices",
        int,
        None,
        "Many pictures: number of devices of this machine to use [all accelerators, one CPU].",
    ),
    Flag(
        "distributed",
        bool,
        False,
        "Many pictures, several processes: each takes its share. They find each other under SLURM, "
        "Open MPI or on a TPU pod.",
    ),
    Flag("coordinator", str, None, "Elsewhere: HOST:PORT of process 0 (any free port)."),
    Flag("processes", int, None, "Elsewhere: the number of processes."),
    Flag("process", int, None, "Elsewhere: the number of this process, from 0 on."),
)
_OUTPUT = (
    Flag(
        "out",
        str,
        None,
        "Or -o: a file for the result, in the format of its suffix; - for standard output; or a "
        "folder for all results "
        "[IN_restored beside a plain IN; dip-jax-results/<picture>-<task> for --image].",
    ),
    Flag(
        "name",
        str,
        None,
        "Name of the result, beside the picture or in the folder --out. {stem} and {suffix} are "
        "those of the picture; there are {task} and {preset} too ['{stem}_restored{suffix}' for a "
        "plain IN, '{stem}{suffix}' in the folder for many].",
    ),
    Flag(
        "format",
        str,
        None,
        "The format of the result, such as png, jpg or tif, where OUT does not name it [the "
        "picture's own, or png if that can't be written].",
    ),
    Flag(
        "overwrite",
        bool,
        False,
        "Accept an --out with files in it; replace those of the same names.",
    ),
    Flag(
        "strip",
        bool,
        False,
        "Drop EXIF, texts, resolution and settings; keep the colour profile.",
    ),
    Flag("settings", bool, True, "Write the settings into the result (PNG, TIFF, JPEG)."),
    Flag(
        "resume",
        bool,
        False,
        "Continue the run in --out; finished pictures stay. With --overwrite, pictures with other "
        "settings are restored again.",
    ),
    Flag("checkpoint", float, 30.0, "Seconds between checkpoints; 0: one after each chunk."),
    Flag("quiet", bool, False, "Print errors only."),
    Flag("verbose", bool, False, "Print more: settings, versions, memory, where an error arose."),
    Flag(
        "progress",
        ("bar", "json"),
        "bar",
        "How to show progress: a bar on stderr, or events for a program: lines of JSON on stdout "
        "(docs/progress.md).",
    ),
    Flag(
        "snapshot",
        str,
        None,
        "Show the picture as it develops: a PNG of 8 bits, replaced every second or so.",
    ),
    Flag("list_presets", bool, False, "Show all presets."),
    Flag(
        "completion",
        ("bash",),
        None,
        "Print a script that completes flags: source <(dip-jax --completion=bash).",
    ),
    Flag("version", bool, False, "Show the version."),
    Flag("help", bool, False, "Show this text."),
)
_REFERENCE = Flag(
    "reference",
    str,
    None,
    "The true picture; for scores only. With many pictures, a folder of the same names.",
)
_PRESET = Flag("preset", str, None, "A named set of settings, see --list_presets [fast].")


def task_flags(task: type[TaskSpec]) -> tuple[Flag, ...]:
    """Returns all flags of a task, those of its data first."""
    return (*(data.flag for data in task.data), *task.flags)


def _all_flags() -> tuple[Flag, ...]:
    own = [flag for task in TASKS.values() for flag in task_flags(task)]
    rest = (_REFERENCE, _PRESET, _PREVIEW, *SETTINGS, *_RUN, *MANY, *_OUTPUT)
    names = [flag.name for flag in set(own)]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"two tasks define the flags {', '.join(twice)} differently"
    return tuple({flag.name: flag for flag in (*_PICTURE, *own, *rest)}.values())


FLAGS = _all_flags()


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
        elif default is not None and default is not False:
            holds = f" [{default}]"
        lines.append(f"  --{name}{value}")
        lines.append(textwrap.indent(textwrap.fill(text + holds, 80), " " * 6))
    return "\n".join(lines)
