"""A running studio, browsers that know it, and pictures for them."""

import contextlib
import io
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the page needs pip install 'dip-jax[studio]'")
pytest.importorskip("uvicorn", reason="the page needs pip install 'dip-jax[studio]'")
pytest.importorskip("httpx", reason="the page's tests need pip install httpx")

import httpx
import uvicorn

from dip_jax_studio import command
from dip_jax_studio.server import Studio

FAKE = (sys.executable, str(Path(__file__).with_name("fake_fit.py")))


class Running:
    """A studio that listens on a port of its own."""

    def __init__(self, folder, program, **options):
        self.folder = folder
        self._socket = command._bind("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        studio = Studio(folder, port=self.port, program=program, **options)
        config = uvicorn.Config(
            studio.app, loop=command.LOOP, log_level="critical", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self._server.started

    @contextlib.contextmanager
    def visitor(self):
        """A browser that is new here: it gets its secret."""
        headers = {"X-Dip-Jax-Studio": "1"}
        # Without verify, the certificates of the world are not read, which takes longest.
        with Visitor(base_url=self.url, headers=headers, timeout=120, verify=False) as client:
            assert client.post("/api/session").status_code == 200
            yield client

    def close(self):
        self._server.should_exit = True
        self._thread.join(60)
        self._socket.close()
        assert not self._thread.is_alive()


class Visitor(httpx.Client):
    """A browser, as far as requests go."""

    def upload(self, body, name="photo.png"):
        return self.post("/api/pictures", content=body, headers={"X-Name": name})

    def begin(self, picture, damage="grain", **more):
        form = {"picture": picture, "damage": damage, "preset": "fast"} | more
        return self.post("/api/jobs", json=form)

    def job(self, identity):
        return self.get(f"/api/jobs/{identity}").json()

    def wait_for_step(self, identity, step, seconds=60):
        """Returns a running job that has taken so many steps."""
        return self._wait(identity, lambda job: job["step"] >= step, seconds, f"step {step}")

    def wait(self, identity, *states, seconds=60):
        return self._wait(identity, lambda job: job["state"] in states, seconds, states)

    def _wait(self, identity, is_there, seconds, wanted):
        """Asks more and more rarely: an answer costs both sides some milliseconds."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            job = self.job(identity)
            if is_there(job):
                return job
            time.sleep(0.02 + min(passed / 20, 0.1))
        raise AssertionError(f"not {wanted}, but {job}")


def png(height=20, width=27, channels=3, mode=None, kind="PNG"):
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, channels), np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def painted(height=20, width=27, rows=slice(5, 9)):
    """What the page sends of its canvas."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[rows, 4:20] = (255, 0, 200, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def opened(response):
    """The picture that an answer holds."""
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))
