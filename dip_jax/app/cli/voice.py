"""What the command says, and on which stream."""

import sys
from typing import NamedTuple


class Voice(NamedTuple):
    """How to speak of a run."""

    aside: bool = False
    """Whether stdout is the picture's, so that all is said on stderr."""

    def say(self, line: str) -> None:
        """Says a line on the run."""
        print(line, file=sys.stderr if self.aside else sys.stdout)

    def note(self, remark: str) -> None:
        """Says what may be a slip, or should be known of the files."""
        print(f"dip-jax: note: {remark}", file=sys.stderr)
