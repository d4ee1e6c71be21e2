"""The command ``dip-jax``: flags -> pieces -> fit -> files."""

import io
import os
import signal
import sys
import textwrap
from typing import Any

from absl import flags

import dip_jax
from dip_jax.app import presets, settings
from dip_jax.app.errors import UserError
from dip_jax.app.folder import run_folder
from dip_jax.app.job import run_job
from dip_jax.app.listing import names_many
from dip_jax.app.noise import LEVELS

USAGE = """\
dip-jax: restores one damaged picture with Deep Image Prior, without training data.

  dip-jax                                               a demonstration
  dip-jax --image=noisy.png                             remove noise
  dip-jax --task=inpaint --image=p.png --mask=m.png     fill holes
  dip-jax --task=super_resolve --image=small.png        enlarge
  dip-jax --task=reconstruct --image=blocky.jpg         remove JPEG artefacts
  dip-jax --image=photos/ --out=clean/                  a whole folder

Flags [what holds without them]:
"""
# Kind or choices, name, default, help; in the order that --help shows.
FLAGS: tuple[tuple[Any, str, Any, str], ...] = (
    (settings.TASKS, "task", None, "What to do [denoise, or what the preset is for]."),
    (
        str,
        "image",
        None,
        "The picture; or many: a folder, a pattern such as 'photos/*.png', or a .txt file with "
        "one path a line [scikit-image's astronaut, damaged for the task].",
    ),
    (
        str,
        "mask",
        None,
        "For inpaint: a picture of the same size, white where the image is known, black "
        "where it is to be filled. With many pictures, one for all, or a folder with one of the "
        "same name (or name_mask) for each.",
    ),
    (bool, "invert_mask", False, "Black is known, white is to be filled."),
    (
        int,
        "grow_mask",
        0,
        "Pixels by which what is to be filled grows, for a mask that leaves the rim of the damage.",
    ),
    (
        bool,
        "keep_known",
        True,
        "For inpaint: put known pixels back into the result, and have what fills the holes join "
        "them. For super_resolve: make it such that, made small again, it is the picture; turn off "
        "if that is noisy, or was made by skipping pixels.",
    ),
    (int, "factor", None, "For super_resolve: how many times larger [the preset's]."),
    (tuple(LEVELS), "noise", "gaussian", "For denoise: the kind of noise."),
    (
        float,
        "sigma",
        None,
        "Gaussian noise's level in 8-bit levels, if known; of --add_noise [25].",
    ),
    (
        float,
        "gain",
        None,
        "Poisson noise: 8-bit levels that one photon makes, if known; of --add_noise [5].",
    ),
    (
        str,
        "reference",
        None,
        "The true picture; for scores only. With many pictures, a folder of the same names.",
    ),
    (bool, "add_noise", False, "Demonstration: --image is clean; add noise to it first."),
    (float, "missing", None, "Demonstration: hide this percentage of --image's pixels first."),
    (bool, "downsample", False, "Demonstration: shrink --image by --factor first."),
    (int, "jpeg_quality", None, "Demonstration: compress --image with this quality first."),
    (str, "preset", None, "A named set of numbers, see --list_presets [fast]."),
    (bool, "list_presets", False, "Show all presets and end."),
    (str, "generator", None, f"The network: {', '.join(settings.GENERATORS)} [the preset's]."),
    (settings.INPUTS, "input", None, "What the network is fed [the preset's]."),
    (
        settings.STOPS,
        "stop",
        None,
        "When to stop: by pixels held out of the fit, by an independent copy of the noisy picture "
        "(r2r), when outputs start to move (wmv, emv), when the picture is as far from the data "
        "as the noise is (discrepancy; for a preset that fits the noisy picture itself), after all "
        "steps (none) [auto: held_out to denoise and inpaint, else none; none for the paper's "
        "presets].",
    ),
    (
        float,
        "hide",
        None,
        "Denoising and inpainting: learn from known pixels, at most this share of them hidden by "
        "turns (to denoise so needs no noise level); 0 does otherwise [0.2 to inpaint where single "
        "pixels are missing here and there, else 0; 0 for the paper's presets].",
    ),
    (
        float,
        "tv",
        None,
        "Weight of the picture's mean total variation in the loss: the more, the smoother "
        "[the preset's, 0].",
    ),
    (int, "steps", None, "Steps of optimisation, at most [the preset's]."),
    (
        int,
        "members",
        None,
        "Fits with different seeds, from --seed on; the result is their mean, and where they "
        "differ the picture is uncertain [the preset's: 2 for best, else 1].",
    ),
    (int, "tile", None, "Restore in overlapping squares of so many pixels a side [0: whole]."),
    (bool, "fit_memory", False, "Tiles of a size that fits, if the picture does not."),
    (int, "every", None, "Steps between updates of the display [the preset's]."),
    (int, "seed", 0, "Decides everything random."),
    (("auto", "cpu", "gpu", "tpu"), "backend", "auto", "Where to compute."),
    (
        int,
        "devices",
        None,
        "Many pictures: on so many devices of this machine at once [all accelerators, one CPU].",
    ),
    (
        bool,
        "distributed",
        False,
        "Many pictures, many processes: each takes its share; under SLURM, Open MPI or on a TPU "
        "pod they find each other.",
    ),
    (str, "coordinator", None, "Elsewhere: HOST:PORT of process 0, any free port,"),
    (int, "processes", None, "how many processes there are,"),
    (int, "process", None, "and which this one is, from 0 on."),
    (str, "out", None, "Folder for the results [dip-jax-results/<picture>-<task>]."),
    (bool, "overwrite", False, "Let --out hold files; those of the same names are replaced."),
    (
        bool,
        "resume",
        False,
        "Go on with the run in --out that was killed; what is finished there stays. With "
        "--overwrite, what has other settings is done anew.",
    ),
    (float, "checkpoint", 30.0, "Seconds between checkpoints, 0 for one after each chunk."),
    (bool, "version", False, "Show the version."),
    (bool, "help", False, "Show this text."),
)


def define_flags() -> flags.FlagValues:
    """The command's flags, in a holder of their own."""
    values = flags.FlagValues()
    define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
    }
    for kind, name, default, text in FLAGS:
        if isinstance(kind, tuple):
            flags.DEFINE_enum(name, default, kind, text, flag_values=values)
        else:
            short = "h" if name == "help" else None
            define[kind](name, default, text, flag_values=values, short_name=short)
    return values


def help_text() -> str:
    """The whole ``--help``."""
    lines = [USAGE]
    for kind, name, default, text in FLAGS:
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


def main(argv: list[str]) -> int:
    """Runs the command with ``argv`` (without the program's name); returns the exit code."""
    values = define_flags()
    try:
        _parse(values, argv)
        if values.help:
            print(help_text())
            return 0
        if values.version:
            print(dip_jax.__version__)
            return 0
        if values.list_presets:
            print(presets.table())
            return 0
        return run_folder(values) if names_many(values.image) else run_job(values)
    except UserError as error:
        print(f"dip-jax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        mend = "--resume goes on from the last checkpoint, if there is one"
        print(f"\ndip-jax: interrupted before there was a picture to keep; {mend}", file=sys.stderr)
        return 130


def _parse(values: flags.FlagValues, argv: list[str]) -> None:
    try:
        rest = values(["dip-jax", *argv])[1:]
    # ValueError and OSError: a value for --noFLAG, a --flagfile that is none.
    except (flags.Error, ValueError, OSError) as error:
        problem = "is no text file" if isinstance(error, UnicodeDecodeError) else error
        raise UserError("", "", f"{problem}; see --help") from error
    if rest:
        raise UserError(rest[0], "", "is no flag; write --image=FILE, see --help")
    for name in ("image", "mask", "reference", "out"):
        if values[name].value == "":  # a shell's variable that is not set
            raise UserError(f"--{name}", "", "is empty; name a file or a folder, or drop it")


def entry() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):  # file names may hold what the terminal can't show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A batch queue's end is like Ctrl-C: the picture so far is written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:  # the output's reader has gone, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"dip-jax: {error}", file=sys.stderr)
        code = 1
    if code == 130:
        sys.stderr.flush()
        os._exit(code)  # a program may still be compiling, which the interpreter's end crashes
    sys.exit(code)
