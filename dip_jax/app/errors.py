"""The kinds of error that the command prints without a traceback."""


class UserError(ValueError):
    """A mistake of the user's, in one line: the argument, its value, and the fix.

    Args:
      name: the flag or argument at fault, such as "--image"; "" if there is no single one.
      value: what the user gave for it; None, "" or True if nothing.
      problem_and_mend: what is wrong and what to do instead, such as
        "does not exist; check the path".
    """

    def __init__(self, name: str, value: object, problem_and_mend: str):
        super().__init__(name, value, problem_and_mend)
        self.name = name
        self.value = value
        self.problem_and_mend = problem_and_mend

    def __str__(self) -> str:
        bare = self.value is True or self.value in (None, "")  # True: a flag without a value
        head = self.name if bare else f"{self.name}={self.value}"
        return printable(f"{head}: {self.problem_and_mend}" if head else self.problem_and_mend)


class NotOursError(UserError):
    """A folder that nothing may be written to, not even a note on the failure."""


class FitError(RuntimeError):
    """A fit that gave no picture; its message is one line."""


def printable(text: str) -> str:
    """Escapes what would break a line or a terminal: file names may hold anything."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
