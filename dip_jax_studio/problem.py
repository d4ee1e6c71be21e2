"""What the page tells its user in one line."""


class Problem(Exception):
    """A request that can't be met: one line for the user, and the HTTP status.

    Args:
      text: what is wrong and what to do instead.
      status: of the answer.
    """

    def __init__(self, text: str, status: int = 400):
        super().__init__(text)
        self.text = text
        self.status = status
