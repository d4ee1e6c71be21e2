"""The command ``dip-jax-studio``: from argv to the running page."""

import argparse
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
import webbrowser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dip_jax_studio.problem import Problem

LOOP = "asyncio"
"""The event loop. With uvloop, which uvicorn takes where it is there, a server that ends while a
fit runs waits for ever."""
_PORT = 8765
_WAITING = 128  # connections
_TRIES = 20  # of ports, where the default is taken
_HOSTS = "use 127.0.0.1, 0.0.0.0 or another address of this machine"
_MISSING = (
    "dip-jax-studio: needs packages that are not installed ({}): pip install 'dip-jax[studio]'"
)


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags' values; argparse ends the process for a bad one."""
    parser = argparse.ArgumentParser(
        "dip-jax-studio",
        description="A local web page: paint the damage, watch it heal, save the result.",
    )
    parser.add_argument("--port", type=int, help=f"of the page [{_PORT}, or the next free one]")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; 0.0.0.0 shows the page to the whole network, to anyone "
        "without a password [127.0.0.1: this machine only]",
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="a host name by which the page may be called, besides localhost and addresses",
    )
    parser.add_argument(
        "--folder", type=Path, help="where pictures and fits are kept [in ~/.local/share]"
    )
    parser.add_argument(
        "--keep_days", type=float, default=7.0, help="then what was not used is removed [7]"
    )
    parser.add_argument("--most_mb", type=float, default=500.0, help="of an upload [500]")
    parser.add_argument("--no_browser", action="store_true", help="open no browser")
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Runs the page until Ctrl-C; returns the exit code."""
    flags = parse(argv)
    if flags.version:
        try:
            print(version("dip-jax"))
        except PackageNotFoundError:
            print("unknown: dip-jax is not installed, but run from its source")
        return 0
    try:
        import uvicorn

        from dip_jax_studio.server import Studio
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dip_jax"):
            raise
        print(_MISSING.format(error.name), file=sys.stderr)
        return 2
    try:
        loopback = _check(flags)
        bound = _bind(flags.host, flags.port)
        port = bound.getsockname()[1]
        studio = Studio(
            flags.folder or _usual_folder(),
            port=port,
            names=frozenset(name.lower() for name in flags.name),
            loopback=loopback,
            most_bytes=int(flags.most_mb * 1e6),
            days=flags.keep_days,
        )
    except Problem as problem:
        print(f"dip-jax-studio: {problem.text}", file=sys.stderr)
        return 2
    host = "127.0.0.1" if flags.host in ("localhost", "0.0.0.0", "::") else flags.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    print(f"dip-jax-studio: {address}", flush=True)
    if not loopback:
        print("note: anyone who can reach this address can use the page, without a password")
    print("Ctrl-C ends it; a fit under way saves what it has and can go on later", flush=True)
    if not flags.no_browser:
        opening = threading.Timer(0.5, webbrowser.open, [address])
        opening.daemon = True
        opening.start()
    config = uvicorn.Config(
        studio.app,
        loop=LOOP,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=3,
    )
    with bound:
        uvicorn.Server(config).run(sockets=[bound])
    return 0


def _check(flags: argparse.Namespace) -> bool:
    """Returns whether only this machine can reach the page.

    Raises:
      Problem: for a value out of range.
    """
    if flags.port is not None and not 0 <= flags.port < 2**16:
        raise Problem(f"--port={flags.port}: must be from 0 to 65535")
    if not 0 < flags.keep_days < 10_000:
        raise Problem(f"--keep_days={flags.keep_days:g}: must be above 0 and below 10000")
    if not 0.001 <= flags.most_mb <= 100_000:
        raise Problem(f"--most_mb={flags.most_mb:g}: must be from 0.001 to 100000")
    if flags.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(flags.host).is_loopback
    except ValueError:
        problem = f"is not an IP address; {_HOSTS}"
        raise Problem(f"--host={flags.host}: {problem}") from None


def _bind(host: str, port: int | None) -> socket.socket:
    """Returns a socket that is bound to the port, or to the first free one.

    Raises:
      Problem: if the port or the address can't be used.
    """
    ports = [port] if port is not None else [*range(_PORT, _PORT + _TRIES), 0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in ports:
        try:
            return _listen(family, host, number)
        except OSError as error:
            code, reason = error.errno, error.strerror
    if port is None or code == errno.EADDRNOTAVAIL:
        raise Problem(f"--host={host}: can't be used ({reason}); {_HOSTS}")
    raise Problem(f"--port={port}: can't be used ({reason}); name another, or none")


def _listen(family: int, host: str, port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_WAITING)  # so that a browser that comes early waits
    except OSError:
        bound.close()
        raise
    return bound


def _usual_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dip_jax_studio"


def entry() -> None:
    """The console script."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
