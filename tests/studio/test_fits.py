"""The page's requests with the command itself behind them."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.studio.running import Running, opened, painted, png

QUICK = (sys.executable, str(Path(__file__).with_name("quick_fit.py")))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("studio") / "folder", QUICK)
    yield running
    running.close()


def test_what_is_painted_is_filled_and_the_rest_stays(visitor):
    """Also what was erased: the page paints it, and it is opaque once it is filled."""
    pixels = np.asarray(Image.open(io.BytesIO(png())).convert("RGBA")).copy()
    pixels[12:16, 6:20, 3] = 0
    pixels[2, 25, 3] = 90  # glass
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    picture = visitor.upload(buffer.getvalue(), "erased.png").json()["id"]
    marks = visitor.post(f"/api/pictures/{picture}/marks", params={"from": "alpha"})
    paint = np.maximum(opened(marks), np.asarray(Image.open(io.BytesIO(painted()))))  # and more
    for rows, alpha in ((slice(0, 20), 255), (slice(0, 15), 0)):
        part = np.zeros_like(paint)
        part[rows] = paint[rows]
        buffer = io.BytesIO()
        Image.fromarray(part).save(buffer, "PNG")
        visitor.put(f"/api/pictures/{picture}/mask", content=buffer.getvalue())
        job = visitor.begin(picture, "scratch", settings={"steps": 3}).json()
        done = visitor.wait(job["id"], "done", "failed", seconds=300)
        assert done["state"] == "done", done
        assert done["taken"] == 3
        assert any("the black part of mask.png" in note for note in done["notes"])
        restored = opened(visitor.get(f"/api/jobs/{job['id']}/download"))
        shown = opened(visitor.get(f"/api/jobs/{job['id']}/picture/now"))
        assert shown.shape == (20, 27, 3)
        assert (restored[12:16, 6:20, 3] == alpha).all()
        assert restored[2, 25, 3] == 90
        assert (restored[5:9, 4:20, 3] == 255).all()
        known = part[:, :, 3] == 0
        np.testing.assert_array_equal(restored[known][:, :3], pixels[known][:, :3])
        assert (restored[~known][:, :3] != pixels[~known][:, :3]).any()
        mask = opened(visitor.get(f"/api/jobs/{job['id']}/file/mask.png"))
        np.testing.assert_array_equal(mask == 0, ~known)


def test_what_is_not_numbers_is_filled_without_paint(visitor):
    values = np.random.default_rng(0).random((20, 27, 3)).astype(np.float32)
    values[5:9, 4:20] = np.nan
    buffer = io.BytesIO()
    np.save(buffer, values)
    picture = visitor.upload(buffer.getvalue(), "holes.npy").json()
    assert picture["holes"]
    nothing = painted(rows=slice(0, 0))
    path = f"/api/pictures/{picture['id']}/mask"
    assert visitor.put(path, content=nothing, params={"used": "0"}).json() == {"share": 0}
    job = visitor.begin(picture["id"], "scratch", settings={"steps": 3}).json()
    assert "--mask" not in job["command"]
    done = visitor.wait(job["id"], "done", "failed", seconds=300)
    assert done["state"] == "done", done
    saved = visitor.get(f"/api/jobs/{job['id']}/download")
    restored = np.load(io.BytesIO(saved.content))
    assert np.isfinite(restored).all()
    known = np.isfinite(values)
    np.testing.assert_array_equal(restored[known], values[known])


def test_deep_results_keep_depth_metadata_and_settings_at_any_strength(visitor):
    values = np.random.default_rng(0).integers(0, 65535, (20, 27, 3)).astype(np.uint16)
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb", extratags=[(315, "s", 0, "Ansel", True)])
    picture = visitor.upload(buffer.getvalue(), "deep.tif").json()
    settings = {"steps": 2, "members": 2, "sigma": 25}
    job = visitor.begin(picture["id"], settings=settings).json()["id"]
    done = visitor.wait(job, "done", "failed", seconds=300)
    assert done["state"] == "done", done
    assert done["most_uncertain"] > 0
    overlay = opened(visitor.get(f"/api/jobs/{job}/picture/uncertainty"))
    assert overlay.shape == (20, 27, 4)
    assert overlay[:, :, 3].max() == 255
    whole, half = (
        visitor.get(f"/api/jobs/{job}/download", params={"strength": strength}).content
        for strength in ("100", "50")
    )
    with tifffile.TiffFile(io.BytesIO(whole)) as tiff:
        restored = tiff.asarray()
        assert tiff.pages[0].tags["Artist"].value == "Ansel"
    with tifffile.TiffFile(io.BytesIO(half)) as tiff:
        mixed, page = tiff.asarray(), tiff.pages[0]
        assert page.tags["Artist"].value == "Ansel"
        assert json.loads(page.description)["settings"]["strength"] == 50
    assert restored.dtype == mixed.dtype == np.uint16
    assert (restored != values).any()
    wanted = (restored.astype(float) + values) / 2
    assert np.abs(mixed - wanted).max() <= 1
    stripped = visitor.get(f"/api/jobs/{job}/download", params={"strip": "1"}).content
    with tifffile.TiffFile(io.BytesIO(stripped)) as tiff:
        assert "Artist" not in tiff.pages[0].tags


def test_enlarging_and_saving_as_the_picture_came(visitor):
    picture = visitor.upload(png(kind="JPEG"), "small.jpg").json()["id"]
    settings = {"steps": 2, "factor": 2}
    job = visitor.begin(picture, "small", settings=settings).json()["id"]
    done = visitor.wait(job, "done", "failed", seconds=300)
    assert done["state"] == "done", done
    saved = visitor.get(f"/api/jobs/{job}/download")
    assert saved.content.startswith(b"\xff\xd8")
    assert opened(saved).shape == (40, 54, 3)
    assert 'filename="small_restored.jpg"' in saved.headers["content-disposition"]


def test_a_pause_at_any_time_loses_nothing(visitor):
    picture = visitor.upload(png()).json()["id"]
    form = {"settings": {"steps": 300, "sigma": 25}}
    job = visitor.begin(picture, **form).json()["id"]
    visitor.wait(job, "running", seconds=60)
    visitor.wait_for_step(job, 2, seconds=300)
    visitor.post(f"/api/jobs/{job}/pause")
    paused = visitor.wait(job, "paused", "done", seconds=120)
    assert paused["result"]
    if paused["state"] == "paused":  # a quick machine may have ended it first
        visitor.post(f"/api/jobs/{job}/go_on")
        done = visitor.wait(job, "done", "failed", seconds=300)
        assert done["state"] == "done", done
        assert done["step"] >= paused["step"]
