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

With --image=IN in place of IN, or a folder as OUT, a comparison, the settings and the course of
the fit are kept beside the result.

Flags [and what holds without them]:
"""
_RULES = "; ".join(f"{name}: {rule.summary}" for name, rule in RULES.items())
# Flags of the picture, which come first in --help; the tasks' own flags follow.
_PICTURE = (
    Flag(
        "task",
        tuple(TASKS),
        None,
        f"What to do [what the preset or the flags given are for, such as --mask; {DEFAULT_TASK}].",
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
        "Which page, frame or array of a file with several: its number, from 1 on, or its name "
        "[the first].",
    ),
    Flag(
        "range",
        str,
        None,
        "The values that are black and white, LOW,HIGH, such as 0,4095 [found from the type of the "
        "values and themselves].",
    ),
)
_PREVIEW = Flag(
    "preview",
    str,
    None,
    "Restore a part only, to see what to expect: X,Y,WIDTH,HEIGHT in pixels from the top left, or "
    "center. The noise is still measured in the whole picture. The file is IN_preview.",
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
    Flag(
        "tile_steps",
        int,
        None,
        "Steps of each tile after the first, which goes on from the network of the one before; 0: "
        "as many as the first, from scratch [the preset's].",
    ),
    Flag("chunk_steps", int, None, "Steps between updates of the display [the preset's]."),
)
_RUN = (
    Flag(
        "fit_memory",
        bool,
        True,
        "Use tiles of a size that fits, if the picture does not; else it is refused.",
    ),
    Flag("seed", int, 0, "Decides everything random."),
    Flag(
        "backend",
        str,
        "auto",
        "Where to compute: auto, cpu, gpu or tpu; or one of several devices, such as gpu:1.",
    ),
)
# Flags for many pictures, which one picture would ignore.
MANY = (
    Flag("recursive", bool, False, "Many pictures: those in the folders within a folder too."),
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
        "Or -o: a file for the result, in the format of its suffix; - for standard output; or a "
        "folder for all results "
        "[IN_restored beside a plain IN; dip-jax-results/<picture>-<task> for --image].",
    ),
    Flag(
        "name",
        str,
        None,
        "What the result is called, beside the picture or in the folder of --out. {stem} and "
        "{suffix} are of the picture's name; {task}, {preset} ['{stem}_restored{suffix}' for a "
        "plain IN, '{stem}{suffix}' in the folder for many].",
    ),
    Flag(
        "format",
        str,
        None,
        "The format of the result, such as png, jpg or tif, where OUT does not name it [the "
        "picture's own, or png if that can't be written].",
    ),
    Flag("overwrite", bool, False, "Let --out hold files; those of the same names are replaced."),
    Flag(
        "strip",
        bool,
        False,
        "Leave out EXIF, texts, resolution, settings; the profile stays.",
    ),
    Flag("settings", bool, True, "Write the settings into the result (PNG, TIFF, JPEG)."),
    Flag(
        "resume",
        bool,
        False,
        "Go on with the run in --out that was killed; what is finished there stays. With "
        "--overwrite, what has other settings is done anew.",
    ),
    Flag("checkpoint", float, 30.0, "Seconds between checkpoints, 0 for one after each chunk."),
    Flag("quiet", bool, False, "Say nothing but errors."),
    Flag("verbose", bool, False, "Say more: settings, versions, memory, where an error arose."),
    Flag(
        "progress",
        ("bar", "json"),
        "bar",
        "How to show the course of the fit: a bar on stderr; or events for a program, lines of "
        "JSON on stdout (docs/progress.md).",
    ),
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


def task_flags(task: type[TaskSpec]) -> tuple[Flag, ...]:
    """Returns all flags of a task, those of its data first."""
    return (*(data.flag for data in task.data), *task.flags)


def _all_flags() -> tuple[Flag, ...]:
    own = [flag for task in TASKS.values() for flag in task_flags(task)]
    rest = (_REFERENCE, _PRESET, _PREVIEW, *SETTINGS, *_RUN, *MANY, *_OUTPUT)
    assert len({flag.name for flag in own}) == len(set(own)), "a flag defined twice"
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
