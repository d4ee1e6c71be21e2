"""From the words of the command line to the values of the flags."""

import os
import re
from pathlib import Path
from typing import Any

from absl import flags

from dip_jax.app.cli.flags import FLAGS
from dip_jax.app.errors import UserError
from dip_jax.app.files.formats import format_of_suffix
from dip_jax.app.recipe import TASKS

# An old name, and what other programs call it.
_ALIASES = {"every": "chunk_steps", "output": "out"}
_SHORT = {"help": "h", "image": "i", "out": "o"}
# How absl's message on a bad value begins.
_VALUE = re.compile(r"flag --(?P<flag>\w+)=(?P<value>.*?): ", re.DOTALL)


def parse(argv: list[str]) -> dict[str, Any]:
    """Returns the values of all flags, and the names of those given as ``given``.

    Raises:
      UserError: for an unknown flag, or a bad value of one.
    """
    values = _define()
    try:
        rest = values(["dip-jax", *_spell(argv)])[1:]
    except flags.IllegalFlagValueError as error:
        raise _bad_value(str(error)) from error
    # ValueError and OSError: a value for --noFLAG, a bad --flagfile.
    except (flags.Error, ValueError, OSError) as error:
        problem = "is not a text file" if isinstance(error, UnicodeDecodeError) else error
        raise UserError("", "", f"{problem}; see --help") from error
    for flag in FLAGS:
        if flag.kind is str and values[flag.name].value == "":  # an unset shell variable
            raise UserError(f"--{flag.name}", "", "is empty; give it a value, or drop it")
    known = {flag.name: values[flag.name].value for flag in FLAGS}
    given = {flag.name for flag in FLAGS if values[flag.name].present}
    plain = _plain_paths(rest, given)
    given |= plain.keys()
    return known | plain | {"given": frozenset(given), "plain": "image" in plain}


def _spell(argv: list[str]) -> list[str]:
    """Returns the words with the names of flags as the table has them: ``-`` in them is ``_``."""
    switches = {flag.name for flag in FLAGS if flag.kind is bool}
    words = []
    for at, word in enumerate(argv):
        if word == "--":  # only paths follow
            return words + argv[at:]
        if not word.startswith("--"):
            words.append(word)
            continue
        name, *value = word[2:].split("=", 1)
        name = name.replace("-", "_")
        name = _ALIASES.get(name, name)
        if name.startswith("no_") and name[3:] in switches:
            name = f"no{name[3:]}"
        words.append("=".join([f"--{name}", *value]))
    return words


def _bad_value(message: str) -> UserError:
    """Returns the error for a value that is not of its flag's kind."""
    found = _VALUE.match(message)
    kinds = {flag.name: flag.kind for flag in FLAGS}
    if found is None or found["flag"] not in kinds:
        return UserError("", "", f"{message}; see --help")
    kind = kinds[found["flag"]]
    if isinstance(kind, tuple):
        path = "; a picture is named without a flag" * os.path.exists(found["value"])
        wanted = f"must be one of {', '.join(kind)}{path}"
    else:
        wanted = {
            int: "must be a whole number",
            float: "must be a number",
            bool: "must be true or false, or be left out",
        }[kind]
    return UserError(f"--{found['flag']}", found["value"], wanted)


def _plain_paths(rest: list[str], given: set[str]) -> dict[str, str]:
    """Returns what the arguments without a flag name: the picture, and where its result goes.

    Raises:
      UserError: for too many, or for one whose flag is given too.
    """
    names = ("image", "out")
    if "" in rest:
        raise UserError("", "", "an empty path was given; name a file or a folder, or drop it")
    if rest and rest[0] in TASKS and not os.path.exists(rest[0]):
        raise UserError(rest[0], "", f"is not a file; write --task={rest[0]}")
    if len(rest) > len(names):
        mend = "for many pictures, name their folder, or a pattern in quotes"
        raise UserError(rest[2], "", f"is a third path, after IN and OUT; {mend}")
    for name, path in zip(names, rest, strict=False):
        if name in given:
            raise UserError(path, "", f"is a path too many beside --{name}; drop one")
    if len(rest) == 2 and Path(rest[1]).suffix and not Path(rest[1]).is_dir():
        known = rest[1].endswith("/") or format_of_suffix(Path(rest[1])) is not None
        if not known:
            mend = "take .png, .tif or .jpg, or end a folder's name with /"
            raise UserError("out", rest[1], f"has a suffix of no known format; {mend}")
    return dict(zip(names, rest, strict=False))


def _define() -> flags.FlagValues:
    """Returns the command's flags; absl's global ones are left alone."""
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
    return values
