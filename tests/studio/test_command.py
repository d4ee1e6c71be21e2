"""The command ``dip-jax-studio``."""

import builtins
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from dip_jax_studio import command

pytest.importorskip("starlette", reason="the page needs pip install 'dip-jax[studio]'")
pytest.importorskip("uvicorn", reason="the page needs pip install 'dip-jax[studio]'")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--port=70000"], "--port=70000: must be from 0 to 65535"),
        (["--host=example.org"], "--host=example.org: is not an IP address; use 127.0.0.1"),
        (["--host=192.0.2.1"], "--host=192.0.2.1: can't be used ("),  # of documentation
        (["--host=192.0.2.1", "--port=0"], "--host=192.0.2.1: can't be used ("),
        (["--keep_days=0"], "--keep_days=0: must be above 0 and below 10000"),
        (["--keep_days=20000"], "--keep_days=20000: must be above 0 and below 10000"),
        (["--most_mb=0"], "--most_mb=0: must be from 0.001 to 100000"),
    ],
)
def test_bad_flags_are_one_line(flags, problem, tmp_path, capsys):
    assert command.main([*flags, f"--folder={tmp_path / 'f'}", "--no_browser"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"dip-jax-studio: {problem}")
    assert err.count("\n") == 1
    assert not (tmp_path / "f").exists()


def test_a_port_that_is_taken(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert command.main([f"--port={port}", f"--folder={tmp_path / 'f'}"]) == 2
    assert f"--port={port}: can't be used" in capsys.readouterr().err


def test_the_missing_extra_is_named(monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *rest):
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert command.main([]) == 2
    err = capsys.readouterr().err
    assert err == (
        "dip-jax-studio: needs packages that are not installed (uvicorn): "
        "pip install 'dip-jax[studio]'\n"
    )


def has_address(host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        try:
            one.bind((host, 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
    ],
)
def test_it_tells_its_address_and_ends_at_ctrl_c(host, shown, tmp_path):
    if not has_address(host):
        pytest.skip(f"this machine has no {host}")
    words = [sys.executable, "-m", "dip_jax_studio", "--no_browser", "--port=0", f"--host={host}"]
    process = subprocess.Popen(
        [*words, f"--folder={tmp_path / 'folder'}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            address = process.stdout.readline().removeprefix("dip-jax-studio: ").strip()
            assert address.startswith(f"http://{shown}:")
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"dip-jax studio" in page.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130)
    finally:
        process.kill()
        process.wait()
    assert {path.name for path in (tmp_path / "folder").iterdir()} <= {"studio.txt", ".lock"}
