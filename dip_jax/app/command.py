"""The command ``dip-jax``: flags -> pieces -> fit -> files."""

import sys
import textwrap

from absl import flags

from dip_jax.app import presets
from dip_jax.app.errors import UserError

USAGE = """\
dip-jax: restores one damaged picture with Deep Image Prior, without training data.

  dip-jax                                               a demonstration
  dip-jax --image=noisy.png                             remove noise
  dip-jax --task=inpaint --image=p.png --mask=m.png     fill holes
  dip-jax --task=super_resolve --image=small.png        enlarge
  dip-jax --task=reconstruct --image=blocky.jpg         remove JPEG artefacts
"""
BACKENDS = ("auto", "cpu", "gpu", "tpu")


def define_flags() -> flags.FlagValues:
    """The command's flags, in the order in which ``--help`` shows them."""
    values = flags.FlagValues()
    text = {"flag_values": values}
    flags.DEFINE_enum("task", None, presets.TASKS, "What to do [denoise].", **text)
    flags.DEFINE_string("image", None, "The picture to restore [scikit-image's astronaut, "
                        "damaged for the task].", **text)  # fmt: skip
    flags.DEFINE_string("mask", None, "For inpainting: a picture of the same size, white where "
                        "the image is known, black where it is to be filled.", **text)  # fmt: skip
    flags.DEFINE_bool(
        "invert_mask", False, "Take black for known, white for holes.", **text
    )
    flags.DEFINE_integer(
        "factor", 4, "For super-resolution: how many times larger.", **text
    )
    flags.DEFINE_float("sigma", None, "The picture's noise level in 8-bit levels, if known; "
                       "with --add_noise, the level to add [25].", **text)  # fmt: skip
    flags.DEFINE_string("reference", None, "The true picture: scores only.", **text)
    flags.DEFINE_bool("keep_known", True, "For inpainting: put known pixels back into the "
                      "result.", **text)  # fmt: skip
    flags.DEFINE_bool("add_noise", False, "Demonstration: --image is clean; add noise first, "
                      "restore, score against it.", **text)  # fmt: skip
    flags.DEFINE_float("missing", None, "Demonstration: --image is complete; hide this "
                       "percentage of its pixels first.", **text)  # fmt: skip
    flags.DEFINE_bool("downsample", False, "Demonstration: --image is large; shrink it by "
                      "--factor first.", **text)  # fmt: skip
    flags.DEFINE_integer("jpeg_quality", None, "Demonstration: --image is clean; compress it "
                         "with this quality first.", **text)  # fmt: skip
    flags.DEFINE_string("preset", None, "A named set of numbers, see --list_presets [fast].",
                        **text)  # fmt: skip
    flags.DEFINE_bool("list_presets", False, "Show all presets and end.", **text)
    flags.DEFINE_string("generator", None, f"The network: {', '.join(presets.GENERATORS)} "
                        "[the preset's].", **text)  # fmt: skip
    flags.DEFINE_enum("input", None, presets.INPUTS, "What the network is fed [the preset's].",
                      **text)  # fmt: skip
    flags.DEFINE_integer("steps", None, "Steps of optimisation [the preset's].", **text)
    flags.DEFINE_integer("every", None, "Steps between updates of the display [the preset's].",
                         **text)  # fmt: skip
    flags.DEFINE_integer("seed", 0, "Decides everything random.", **text)
    flags.DEFINE_enum("backend", "auto", BACKENDS, "Where to compute.", **text)
    flags.DEFINE_string("out", None, "Folder for the results "
                        "[dip-jax-results/<picture>-<task>].", **text)  # fmt: skip
    flags.DEFINE_bool("overwrite", False, "Allow --out to hold files; those of the same names "
                      "are replaced.", **text)  # fmt: skip
    flags.DEFINE_bool("help", False, "Show this text.", **text)
    return values


def help_text(values: flags.FlagValues) -> str:
    """The whole ``--help``."""
    lines = [USAGE, "Flags [what holds without them]:"]
    for name in values:
        flag = values[name]
        choices = getattr(flag.parser, "enum_values", None)
        kind = {"bool": "", "int": "=N", "float": "=X"}.get(flag.flag_type(), "=NAME")
        head = f"  --{name}{'=' + '|'.join(choices) if choices else kind}"
        default = flag.default if flag.default not in (None, False) else None
        tail = f" [{'on; --no' + name + ' for off' if default is True else default}]"
        words = str(flag.help) + (tail if default is not None else "")
        lines.append(head)
        lines.append(
            textwrap.fill(words, 88, initial_indent=" " * 6, subsequent_indent=" " * 6)
        )
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Runs the command with ``argv`` (without the program's name); returns the exit code."""
    values = define_flags()
    try:
        _parse(values, argv)
        if values.help:
            print(help_text(values))
            return 0
        if values.list_presets:
            print(presets.table())
            return 0
        # After the flags are checked: importing jax takes a second.
        from dip_jax.app.job import run_job

        return run_job(values)
    except UserError as error:
        print(f"dip-jax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndip-jax: interrupted before there was a picture to keep", file=sys.stderr)
        return 130


def _parse(values: flags.FlagValues, argv: list[str]) -> None:
    try:
        rest = values(["dip-jax", *argv])[1:]
    except flags.Error as error:
        raise UserError("flags", " ".join(argv), f"{error}; see --help") from error
    if rest:
        raise UserError("flags", rest[0], "is no flag; write --image=FILE, see --help")


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))
