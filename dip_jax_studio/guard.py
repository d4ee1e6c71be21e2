"""Lets only this page make requests, from a known browser, and restricts its use of the answers.

Any web page can make a browser send requests to a server on the same machine, and by DNS
rebinding it can even seem to come from there. So a request must name an address of this machine
as its host, and one that changes anything must come from this page: by its Origin, and by a header
that browsers let no other page send.
"""

import ipaddress
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import cookie_parser

from dip_jax_studio.store import owner_of

HEADER = "x-dip-jax-studio"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")
_READING = ("GET", "HEAD")
_DAYS = 30
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def cookie_name(port: int) -> str:
    """Returns the cookie's name: browsers send cookies to all ports of a host."""
    return f"dip_jax_studio_{port}"


def make_cookie(port: int, token: str) -> str:
    """Returns the header that gives a browser its secret."""
    life = _DAYS * 24 * 3600
    return f"{cookie_name(port)}={token}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict"


class Guard:
    """Refuses requests of others, and adds the headers that keep the answers to this page.

    ``scope["owner"]`` becomes the name of the browser's folder, None for one without a secret.

    Args:
      app: an ASGI application.
      port: where the server listens.
      names: of hosts, besides addresses, by which the page may be called.
      loopback: whether it may be called by addresses of this machine only.
    """

    def __init__(self, app: Any, port: int, names: frozenset[str], *, loopback: bool):
        self._app, self._port, self._names, self._loopback = app, port, names, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[str, str] = {}
        repeated = False
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            repeated = repeated or (key in headers and key in ("host", "origin"))
            headers[key] = value.decode("latin-1")
        if repeated or not self._knows_host(headers.get("host", "")):
            problem = "this page answers to its own address only; open the one that was printed"
            await _refuse(send, 400, problem)
            return
        if scope["method"] not in _READING and not _from_this_page(headers):
            await _refuse(send, 403, "only the page itself may do this; reload it")
            return
        scope["owner"] = owner_of(self._token(headers.get("cookie", "")))

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [(name, value) for name, value in message["headers"]]
                there = {name.lower() for name, _ in own}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                own += [(name, value) for name, value in more if name not in there]
                message = message | {"headers": own}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _knows_host(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]").lower()
        if name == "localhost" or name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback

    def _token(self, cookies: str) -> str | None:
        return cookie_parser(cookies).get(cookie_name(self._port))


def _from_this_page(headers: dict[str, str]) -> bool:
    """Whether a request that changes something comes from a page of this server."""
    host, origin = headers.get("host"), headers.get("origin")
    same = origin is None or origin in (f"http://{host}", f"https://{host}")
    site = headers.get("sec-fetch-site", "same-origin")
    return same and site in ("same-origin", "none") and HEADER in headers


async def _refuse(send: Send, status: int, problem: str) -> None:
    body = json.dumps({"problem": problem}).encode()
    headers = HEADERS | {"content-type": "application/json", "content-length": str(len(body))}
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
