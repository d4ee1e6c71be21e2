"""The command ``dip-jax``: from argv to the exit code."""

import io
import os
import signal
import sys

import dip_jax
from dip_jax.app.cli.completion import complete_in_bash
from dip_jax.app.cli.flags import help_text
from dip_jax.app.cli.listing import names_many
from dip_jax.app.cli.many import run_many
from dip_jax.app.cli.one import run_one
from dip_jax.app.cli.parser import parse
from dip_jax.app.cli.request import as_flag, read_request, read_voice
from dip_jax.app.cli.voice import Voice
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import list_presets

# Flags that show a text, and what returns it.
_TEXTS = {
    "help": help_text,
    "completion": complete_in_bash,
    "version": lambda: dip_jax.__version__,
    "list_presets": list_presets,
}


def main(argv: list[str]) -> int:
    """Runs the command with ``argv`` (without the program's name); returns the exit code."""
    voice, values = Voice(), {"image": None}
    try:
        values = parse(argv)
        for name, show in _TEXTS.items():
            if values[name]:
                print(show())
                return 0
        voice = read_voice(values)
        request = read_request(values)
        return run_many(request) if names_many(request.files.image) else run_one(request)
    except UserError as error:
        voice.emit("failed", picture=values["image"], problem=str(as_flag(error)))
        print(f"dip-jax: {as_flag(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        mend = "--resume continues from the last checkpoint, if there is one"
        voice.emit("failed", picture=values["image"], problem="interrupted")
        print(f"\ndip-jax: interrupted before there was a picture to keep; {mend}", file=sys.stderr)
        return 130


def entry() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):  # file names may hold what the terminal can't show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # SIGTERM, as from a batch queue, acts like Ctrl-C: the picture so far is written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:  # the pipe's reader has exited, or the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"dip-jax: {error}", file=sys.stderr)
        code = 1
    if code == 130:
        sys.stderr.flush()
        os._exit(code)  # a normal exit crashes while a program is compiling
    sys.exit(code)
