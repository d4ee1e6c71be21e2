"""The command's output, for people and for programs, and on which stream."""

import json
import sys
from typing import Any, NamedTuple

from tqdm.auto import tqdm

SCHEMA = 1
"""The version of the events: incremented when a field is removed or changes its meaning."""


class Voice(NamedTuple):
    """How to report on a run."""

    aside: bool = False
    """Whether the picture takes stdout, so that all else goes to stderr."""
    quiet: bool = False
    """Whether only errors are printed."""
    verbose: bool = False
    events: bool = False
    """Whether events are written, as lines of JSON. They go to stdout, and text to stderr. If
    ``aside``, they go to stderr, and the only text is errors."""

    @property
    def bar(self) -> bool:
        """Whether bars are shown."""
        return not (self.quiet or self.events)

    def say(self, line: str) -> None:
        """Prints a line on the run."""
        if not (self.quiet or (self.events and self.aside)):
            tqdm.write(line, file=sys.stderr if self.aside or self.events else sys.stdout)

    def detail(self, line: str) -> None:
        """Prints a line on the run if ``verbose``."""
        if self.verbose:
            self.say(line)

    def note(self, remark: str) -> None:
        """Prints a remark on a possible mistake, or on the files."""
        if not (self.quiet or (self.events and self.aside)):
            tqdm.write(f"dip-jax: note: {remark}", file=sys.stderr)

    def emit(self, event: str, **fields: Any) -> None:
        """Writes an event, if ``events``."""
        if self.events:
            line = json.dumps({"event": event} | fields) + "\n"  # at once, for several threads
            print(line, end="", file=sys.stderr if self.aside else sys.stdout, flush=True)
