"""Sends orders to the desk, one at a time, and replaces it if it hangs or crashes."""

import asyncio
import contextlib
import json
from typing import Any

from dip_jax_studio.problem import Problem
from dip_jax_studio.processes import call, environment

_SECONDS = 120.0  # for an order: 64 megapixels take less
_START = 300.0  # for the first, which waits for jax to be imported
_WAITING = 64  # orders
_LINE = 2**24  # bytes of an answer


class Clerk:
    """Gives orders to the desk; see :mod:`dip_jax_studio.desk`.

    Args:
      seconds: that an order may take.
    """

    def __init__(self, seconds: float = _SECONDS):
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._desk: asyncio.subprocess.Process | None = None
        self._waiting = 0
        self.ready = False
        """Whether the desk has answered since it was started."""

    async def ask(self, order: str, **fields: Any) -> dict[str, Any]:
        """Returns the desk's answer to an order.

        Raises:
          Problem: for what the user can fix; if the desk is overrun, or died of the order.
        """
        if self._waiting >= _WAITING:
            raise Problem("too many pictures at once; try again in a minute", 503)
        self._waiting += 1
        try:
            async with self._turn:
                answer = await self._send({"order": order} | fields)
        finally:
            self._waiting -= 1
        if "problem" in answer:
            raise Problem(answer["problem"])
        return answer

    async def start(self) -> None:
        """Starts the desk, so that it is ready when the first picture comes."""
        with contextlib.suppress(Problem):
            await self.ask("about")

    async def close(self) -> None:
        """Ends the desk."""
        desk, self._desk, self.ready = self._desk, None, False
        if desk is not None and desk.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                desk.kill()
            await desk.wait()

    async def _send(self, order: dict[str, Any]) -> dict[str, Any]:
        if self._desk is None or self._desk.returncode is not None:
            self.ready = False
            self._desk = await asyncio.create_subprocess_exec(
                *call("dip_jax_studio.desk"),
                env=environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE,
                start_new_session=True,  # Ctrl-C in the terminal is the server's
            )
        desk = self._desk
        assert desk.stdin is not None
        assert desk.stdout is not None
        answer: Any = None
        try:
            desk.stdin.write(json.dumps(order).encode() + b"\n")
            async with asyncio.timeout(self._seconds if self.ready else _START):
                await desk.stdin.drain()
                answer = json.loads(await desk.stdout.readline())
        except TimeoutError:
            await self.close()
            raise Problem("the picture took too long to be read; save it in another form") from None
        except (OSError, ValueError):  # it died, or does not know what it says
            pass
        except asyncio.CancelledError:  # its answer would be taken for that to the next order
            await self.close()
            raise
        if not isinstance(answer, dict):
            await self.close()
            raise Problem("the picture could not be read; save it in another form")
        self.ready = True
        return answer
