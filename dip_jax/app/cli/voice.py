"""What the command says, for people and for programs, and on which stream."""

import json
import sys
from typing import Any, NamedTuple

from tqdm.auto import tqdm

SCHEMA = 1
"""Of the events. It grows when a field goes or changes its meaning, not for a new one."""


class Voice(NamedTuple):
    """How to speak of a run."""

    aside: bool = False
    """Whether stdout is the picture's, so that all is said on stderr."""
    quiet: bool = False
    """Whether only errors are told."""
    verbose: bool = False
    events: bool = False
    """Whether events are told, as lines of JSON. These take stdout, and what is for people stderr;
    or they take stderr, if that is left, and nothing is said to people but errors."""

    @property
    def bar(self) -> bool:
        """Whether bars are shown."""
        return not (self.quiet or self.events)

    def say(self, line: str) -> None:
        """Says a line on the run."""
        if not (self.quiet or (self.events and self.aside)):
            tqdm.write(line, file=sys.stderr if self.aside or self.events else sys.stdout)

    def detail(self, line: str) -> None:
        """Says a line that only those want who asked for more."""
        if self.verbose:
            self.say(line)

    def note(self, remark: str) -> None:
        """Says what may be a slip, or should be known of the files."""
        if not (self.quiet or (self.events and self.aside)):
            tqdm.write(f"dip-jax: note: {remark}", file=sys.stderr)

    def tell(self, event: str, **fields: Any) -> None:
        """Tells an event, if events are told."""
        if self.events:
            line = json.dumps({"event": event} | fields) + "\n"  # at once, for several threads
            print(line, end="", file=sys.stderr if self.aside else sys.stdout, flush=True)
