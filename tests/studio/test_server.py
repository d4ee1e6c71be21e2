"""The page's requests, to a running studio with a fit that is quick."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from tests.studio.fake_fit import CRASHES, FAILS, NEVER_STEPS
from tests.studio.running import FAKE, Running, opened, painted, png


@pytest.fixture
def picture(visitor):
    return visitor.upload(png()).json()


def long(**more):
    return {"settings": {"steps": 400} | more}


def test_the_page_and_its_parts_are_served(visitor):
    page = visitor.get("/")
    assert page.status_code == 200
    assert "dip-jax studio" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("studio.css", "icon.svg", "studio.js", "ask.js", "viewer.js"):
        answer = visitor.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.content
    kinds = visitor.get("/api/about").json()["kinds"]
    assert [kind["name"] for kind in kinds] == [
        *["grain", "scratch", "small", "blocks", "blur", "shake"]
    ]


def test_a_picture_comes_in_and_is_shown(visitor):
    told = visitor.upload(png(), "Gran%20Canaria%20%C3%BC.png").json()
    assert told["name"] == "Gran Canaria ü.png"
    assert (told["width"], told["height"], told["channels"], told["depth"]) == (27, 20, 3, "uint8")
    assert told["format"] == "PNG"
    assert not told["erased"]
    given = np.asarray(Image.open(io.BytesIO(png())))
    np.testing.assert_array_equal(opened(visitor.get(f"/api/pictures/{told['id']}/shown")), given)
    assert visitor.delete(f"/api/pictures/{told['id']}").status_code == 200
    assert visitor.get(f"/api/pictures/{told['id']}").status_code == 404


def test_deep_pictures_are_read_at_full_depth_and_shown_in_eight_bits(visitor):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 27), 40_000, np.uint16)).save(buffer, "TIFF")
    told = visitor.upload(buffer.getvalue(), "deep.tif").json()
    assert (told["depth"], told["suffix"], told["channels"]) == ("uint16", ".tif", 1)
    assert (opened(visitor.get(f"/api/pictures/{told['id']}/shown")) == 156).all()


def test_a_mask_is_kept_and_comes_back_as_paint(visitor, picture, studio):
    path = f"/api/pictures/{picture['id']}/mask"
    assert visitor.get(path).status_code == 404
    assert not visitor.get(f"/api/pictures/{picture['id']}").json()["painted"]
    answer = visitor.put(path, content=painted(), params={"used": "1"})
    assert answer.json()["share"] == pytest.approx(4 * 16 / 540)
    paint = opened(visitor.get(path))
    np.testing.assert_array_equal(
        paint[:, :, 3] > 0, np.asarray(Image.open(io.BytesIO(painted())))[:, :, 3] > 0
    )
    assert visitor.get(f"/api/pictures/{picture['id']}").json()["painted"]
    job = visitor.begin(picture["id"], "scratch").json()
    assert job["command"] == (
        "dip-jax --image=photo.png --task=inpaint --mask=photo_mask.png --out=photo-restored"
    )
    visitor.wait(job["id"], "done")
    saved = visitor.get(f"/api/jobs/{job['id']}/file/mask.png")
    assert saved.headers["content-disposition"] == 'attachment; filename="photo_mask.png"'
    mask = opened(saved)
    assert mask.shape == (20, 27)
    assert (mask[5:9, 4:20] == 0).all()
    assert mask.mean() > 200


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (painted(rows=slice(0, 0)), "nothing is painted"),
        (painted(30, 30), "is 30x30, the picture 27x20"),
        (b"no picture", "is not a picture that can be read"),
    ],
)
def test_masks_that_do_not_suit(visitor, picture, mask, problem):
    answer = visitor.put(f"/api/pictures/{picture['id']}/mask", content=mask, params={"used": "1"})
    assert answer.status_code == 400
    assert problem in answer.json()["problem"]
    answer = visitor.begin(picture["id"], "scratch")
    assert "paint what is damaged first" in answer.json()["problem"]


def test_marks_come_from_a_file_a_colour_and_transparency(visitor):
    pixels = np.full((20, 27, 4), 255, np.uint8)
    pixels[2:5, 2:5] = (255, 0, 0, 255)
    pixels[10:14, 10:14, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    told = visitor.upload(buffer.getvalue(), "erased.png").json()
    assert told["erased"]
    path = f"/api/pictures/{told['id']}/marks"
    alpha = opened(visitor.post(path, params={"from": "alpha"}))[:, :, 3] > 0
    np.testing.assert_array_equal(alpha, pixels[:, :, 3] == 0)
    red = opened(visitor.post(path, params={"from": "color", "color": "#ff0000"}))[:, :, 3] > 0
    assert red[2:5, 2:5].all()
    assert not red[9:].any()
    mask = io.BytesIO()
    Image.fromarray(
        np.where(np.arange(20)[:, None] < 3, 255, 0).repeat(27, 1).astype(np.uint8)
    ).save(mask, "PNG")
    headers, body = {"X-Name": "m.png"}, mask.getvalue()
    answer = visitor.post(
        path, params={"from": "file", "invert": "1"}, content=body, headers=headers
    )
    fill = opened(answer)[:, :, 3] > 0
    assert fill[:3].all()
    assert not fill[3:].any()
    assert "filling%2015%20%25" in answer.headers["x-remarks"]
    for params in (
        {"from": "color", "color": "red;"},
        {"from": "moon"},
        {"from": "color", "color": "#00ff00"},
    ):
        assert visitor.post(path, params=params).status_code == 400


def test_a_job_runs_shows_itself_and_is_saved(visitor, picture):
    job = visitor.begin(picture["id"]).json()
    done = visitor.wait(job["id"], "done")
    assert (done["percent"], done["step"], done["taken"], done["fits"]) == (100, 5, 5, 1)
    assert done["notes"] == ["filling 3.1 % of the picture"]
    assert [loss for _, loss in done["curve"]] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    given = np.asarray(Image.open(io.BytesIO(png())))
    for which in ("now", "after"):
        shown = opened(visitor.get(f"/api/jobs/{job['id']}/picture/{which}"))
        np.testing.assert_array_equal(shown, 255 - given)
    np.testing.assert_array_equal(
        opened(visitor.get(f"/api/jobs/{job['id']}/picture/before")), given
    )
    saved = visitor.get(f"/api/jobs/{job['id']}/download")
    np.testing.assert_array_equal(opened(saved), 255 - given)
    assert saved.headers["content-disposition"] == 'attachment; filename="photo_restored.png"'
    assert visitor.get(f"/api/jobs/{job['id']}/picture/uncertainty").status_code == 404


def test_the_curve_that_the_page_gets_is_short_and_has_its_end(visitor, picture, monkeypatch):
    monkeypatch.setattr("dip_jax_studio.jobs._POINTS", 3)
    job = visitor.begin(picture["id"]).json()
    done = visitor.wait(job["id"], "done")
    assert [percent for percent, _ in done["curve"]] == [20, 60, 100]


def test_pause_and_go_on(visitor, picture):
    job = visitor.begin(picture["id"], **long()).json()
    visitor.wait_for_step(job["id"], 2)
    assert visitor.post(f"/api/jobs/{job['id']}/pause").json()["wanted"] == "paused"
    paused = visitor.wait(job["id"], "paused")
    assert 2 <= paused["step"] < 400
    assert paused["result"]  # the picture so far
    assert visitor.get(f"/api/jobs/{job['id']}/download").status_code == 200
    assert visitor.post(f"/api/jobs/{job['id']}/pause").status_code == 409
    assert visitor.post(f"/api/jobs/{job['id']}/go_on").status_code == 200
    visitor.wait_for_step(job["id"], paused["step"] + 1)
    visitor.post(f"/api/jobs/{job['id']}/stop")
    assert visitor.wait(job["id"], "stopped")["step"] > paused["step"]


def test_one_at_a_time_in_order(visitor, picture, studio):
    first, second, third = (visitor.begin(picture["id"], **long()).json()["id"] for _ in range(3))
    visitor.wait(first, "running")
    assert [visitor.job(each)["ahead"] for each in (second, third)] == [1, 2]
    with studio.visitor() as other:  # sees neither, but waits behind them
        own = other.begin(other.upload(png()).json()["id"]).json()["id"]
        jobs = other.get("/api/jobs").json()["jobs"]
        assert [(job["id"], job["ahead"]) for job in jobs] == [(own, 3)]
        other.delete(f"/api/jobs/{own}")
    visitor.post(f"/api/jobs/{second}/stop")
    assert visitor.job(second)["state"] == "stopped"
    visitor.delete(f"/api/jobs/{first}")
    visitor.wait(third, "running")
    assert visitor.get(f"/api/jobs/{first}").status_code == 404


def test_cancelling_removes_all_files(visitor, picture, studio):
    job = visitor.begin(picture["id"], **long(seed=NEVER_STEPS)).json()["id"]
    visitor.wait(job, "running")
    assert list(studio.folder.glob(f"*/jobs/{job}"))
    visitor.delete(f"/api/jobs/{job}")
    deadline = time.monotonic() + 10
    while list(studio.folder.glob(f"*/jobs/{job}")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_failures_are_told_in_one_line(visitor, picture):
    job = visitor.begin(picture["id"], settings={"seed": FAILS}).json()["id"]
    failed = visitor.wait(job, "failed")
    assert failed["problem"] == "--image: is too sad to be restored; cheer it up"
    job = visitor.begin(picture["id"], settings={"seed": CRASHES}).json()["id"]
    failed = visitor.wait(job, "failed")
    assert failed["problem"].startswith(
        "the fit ended unexpectedly; its folder's log.txt says more"
    )
    assert "Traceback" not in visitor.get(f"/api/jobs/{job}").text


def test_a_preview_shows_its_part(visitor, picture):
    job = visitor.begin(picture["id"], box=[3, 4, 10, 8]).json()
    assert "--preview=3,4,10,8" in job["command"]
    done = visitor.wait(job["id"], "done")
    assert done["preview"]
    for which in ("before", "after"):
        assert opened(visitor.get(f"/api/jobs/{job['id']}/picture/{which}")).shape == (8, 10, 3)
    saved = visitor.get(f"/api/jobs/{job['id']}/download")
    assert 'filename="photo_preview.png"' in saved.headers["content-disposition"]


def test_results_are_saved_in_other_formats(visitor, picture):
    job = visitor.begin(picture["id"], box=[0, 0, 10, 8]).json()["id"]
    visitor.wait(job, "done")
    for wanted, mark in {"jpg": b"\xff\xd8", "tif": b"II", "png": b"\x89PNG"}.items():
        saved = visitor.get(f"/api/jobs/{job}/download", params={"format": wanted})
        assert saved.content.startswith(mark)
    half = opened(visitor.get(f"/api/jobs/{job}/download", params={"strength": "50"}))
    assert np.abs(half.astype(int) - 127.5).max() <= 1  # between a picture and its negative
    for params in ({"format": "exe"}, {"strength": "101"}, {"strength": "nan"}, {"strength": "x"}):
        assert visitor.get(f"/api/jobs/{job}/download", params=params).status_code == 400


def test_downloads_of_a_job_do_not_meet(visitor, picture, studio):
    job = visitor.begin(picture["id"]).json()["id"]
    visitor.wait(job, "done")
    (folder,) = studio.folder.glob(f"*/jobs/{job}")
    before = set(folder.iterdir())
    path, given = f"/api/jobs/{job}/download", np.asarray(Image.open(io.BytesIO(png())))
    strengths = (0, 20, 40, 60)
    with ThreadPoolExecutor(len(strengths)) as pool:
        answers = [pool.submit(visitor.get, path, params={"strength": each}) for each in strengths]
    for strength, answer in zip(strengths, answers, strict=True):
        wanted = given + strength / 100 * (255 - 2 * given.astype(float))
        assert np.abs(opened(answer.result()) - wanted).max() <= 1
    deadline = time.monotonic() + 10
    while set(folder.iterdir()) != before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_preview_is_compressed_once(visitor, studio):
    picture = visitor.upload(png(kind="JPEG"), "photo.jpg").json()["id"]
    job = visitor.begin(picture, box=[0, 0, 10, 8]).json()["id"]
    visitor.wait(job, "done")
    (made,) = studio.folder.glob(f"*/jobs/{job}/out/restored_preview.jpg")
    saved = visitor.get(f"/api/jobs/{job}/download")
    assert saved.content == made.read_bytes()
    assert saved.headers["x-name"] == "photo_preview.jpg"
    assert saved.headers["x-remarks"] == ""


def test_what_a_format_can_not_keep_is_told(visitor):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 27), 40_000, np.uint16)).save(buffer, "TIFF")
    picture = visitor.upload(buffer.getvalue(), "deep.tif").json()["id"]
    job = visitor.begin(picture).json()["id"]
    visitor.wait(job, "done")
    saved = visitor.get(f"/api/jobs/{job}/download", params={"format": "jpg"})
    assert saved.status_code == 200
    assert "uint8" in unquote(saved.headers["x-remarks"])


@pytest.mark.slow
def test_a_factor_with_a_point(visitor, picture):
    job = visitor.begin(picture["id"], "small", settings={"factor": "3.0"})
    assert job.status_code == 200
    assert "--factor=3 " in job.json()["command"]


@pytest.mark.slow
def test_a_sweep_that_fails_is_not_the_last(tmp_path, monkeypatch):
    sweeps = []

    def fail(*_):
        sweeps.append(1)
        raise PermissionError("as planned")

    monkeypatch.setattr("dip_jax_studio.server._SWEEP", 0.02)
    monkeypatch.setattr("dip_jax_studio.store.Store.sweep", fail)
    running = Running(tmp_path / "folder", FAKE)
    try:
        deadline = time.monotonic() + 10
        while len(sweeps) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        running.close()


@pytest.mark.slow
def test_a_studio_that_ends_saves_its_fit_and_another_goes_on(tmp_path):
    folder = tmp_path / "folder"
    running = Running(folder, FAKE)
    with running.visitor() as visitor:
        picture = visitor.upload(png()).json()["id"]
        job, later = (visitor.begin(picture, **long()).json()["id"] for _ in range(2))
        visitor.wait_for_step(job, 2)
        running.close()
        again = Running(folder, FAKE)
        try:
            # Another port, so another cookie: as if the browser still had that of the first.
            secret = next(iter(visitor.cookies.jar)).value
            visitor.base_url = again.url
            visitor.cookies.set(f"dip_jax_studio_{again.port}", secret)
            kept = visitor.job(job)
            assert kept["state"] == "paused"
            assert kept["result"]
            assert len(kept["curve"]) == kept["step"] >= 2
            assert visitor.job(later)["state"] == "paused"
            visitor.post(f"/api/jobs/{job}/go_on")
            visitor.wait_for_step(job, kept["step"] + 1)
            visitor.delete(f"/api/jobs/{job}")
        finally:
            again.close()


@pytest.mark.slow
def test_old_files_are_swept_away(tmp_path):
    folder = tmp_path / "folder"
    running = Running(folder, FAKE, days=1)
    with running.visitor() as visitor:
        old, new = (visitor.upload(png()).json()["id"] for _ in range(2))
    running.close()
    (path,) = folder.glob(f"*/pictures/{old}")
    os.utime(path, (0, 0))
    Running(folder, FAKE, days=1).close()
    assert [each.name for each in folder.glob("*/pictures/*")] == [new]


@pytest.mark.slow
def test_a_browser_keeps_its_newest_uploads(visitor, studio):
    pictures = [visitor.upload(png()).json()["id"] for _ in range(10)]
    there = [visitor.get(f"/api/pictures/{each}").status_code for each in pictures]
    assert there == [404, 404, *[200] * 8]
