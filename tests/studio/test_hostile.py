"""Uploads and requests that mean harm: refused in one line, and nothing is written elsewhere."""

import http.client
import io
import json
import pickle
import socket
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.studio.running import FAKE, Running, opened, painted, png


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, body=b""):
    """A PNG that says to be so large; its pixels, if any, are packed zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(body, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def array(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


def packed(values):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values)
    return buffer.getvalue()


def hdf5(**elsewhere):
    """An HDF5 file whose values are in a file of the user's."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if "raw" in elsewhere:
            file.create_dataset("x", (10, 20), "u1", external=[(elsewhere["raw"], 0, 200)])
        else:
            layout = h5py.VirtualLayout((10, 20), "u1")
            layout[:] = h5py.VirtualSource(elsewhere["source"], "x", (10, 20))
            file.create_virtual_dataset("x", layout)
    return buffer.getvalue()


TIFF_LOOP = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)  # points at itself
UPLOADS = {
    "nothing": (b"", "a.png"),
    "text": (b"Dear studio, please restore me.", "a.png"),
    "page": (b"<script>alert(1)</script>", "a.html"),
    "drawing": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a.svg"),
    "mark alone": (b"\x89PNG\r\n\x1a\n", "a.png"),
    "half": (png()[:200], "a.png"),
    "noise": (np.random.default_rng(1).bytes(5000), "a.png"),
    "endless sides": (png_of(2**31 - 1, 2**31 - 1), "a.png"),
    "no sides": (png_of(0, 0), "a.png"),
    "bomb": (png_of(20_000, 20_000, bytes(20_000 * 1000)), "a.png"),
    "bomb of tiff": (b"II*\0" + np.random.default_rng(2).bytes(400), "a.tif"),
    "tiff that points at itself": (TIFF_LOOP, "a.tif"),
    "bmp that lies": (
        png(kind="BMP")[:18] + struct.pack("<ii", 90_000, 90_000) + bytes(99),
        "a.bmp",
    ),
    "jpeg cut short": (png(kind="JPEG")[:300], "a.jpg"),
    "gif cut short": (png(kind="GIF")[:40], "a.gif"),
    "pgm that lies": (b"P5 60000 60000 255\n" + bytes(100), "a.pgm"),
    "pickle": (pickle.dumps(Evil()), "a.npy"),
    "array of objects": (array(np.array([[Evil()]]), allow_pickle=True), "a.npy"),
    "array that lies": (array(np.zeros((4, 4))).replace(b"(4, 4)", b"(9**9,"), "a.npy"),
    "packed bomb": (packed(np.zeros((9000, 9000), np.uint8)), "a.npz"),
    "zip that is none": (b"PK\x03\x04" + bytes(200), "a.npz"),
    "matlab that is none": (b"MATLAB 5.0 MAT-file" + bytes(300), "a.mat"),
    "hdf5 that is none": (b"\x89HDF\r\n\x1a\n" + bytes(300), "a.h5"),
    "hdf5 with values elsewhere": (lambda: hdf5(raw="/etc/passwd"), "a.h5"),
    "virtual hdf5": (lambda: hdf5(source="/tmp/secret.h5"), "a.h5"),
    "fits that is none": (b"SIMPLE  =                    T" + bytes(300), "a.fits"),
    "packed": (b"\x1f\x8b\x08" + bytes(50), "a.png.gz"),
    "program": (b"\x7fELF" + bytes(200), "picture.so"),
    "code": (b"import os; os.abort()", "numpy.py"),
}
NAMES = [
    "../../../../tmp/evil.png",
    "..%2f..%2fevil.png",
    "/etc/passwd",
    "C:\\Windows\\evil.png",
    "%00.png",
    "a%0d%0aSet-Cookie:%20x=y.png",
    ".bashrc",
    "x" * 5000 + ".png",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E.png",
    "--out=evil.png",
    "picture.png/",
    "picture.json",
    "facts.json",
    "%ff%fe",
    "",
]


def check_refusal(answer, *statuses):
    assert answer.status_code in (statuses or (400,)), answer.text
    assert answer.headers["content-type"].startswith("application/json")
    problem = answer.json()["problem"]
    assert problem
    assert "\n" not in problem
    for secret in ("Traceback", "/tmp", "site-packages", ".py"):
        assert secret not in problem


@pytest.fixture
def untouched(studio, tmp_path_factory):
    """Nothing is written outside the studio's folder, and it goes on."""
    base = tmp_path_factory.getbasetemp()

    def outside():
        return {path for path in base.rglob("*") if studio.folder not in path.parents}

    before = outside()
    yield
    with studio.visitor() as visitor:
        assert visitor.upload(png()).status_code == 200
    assert outside() == before


@pytest.mark.parametrize("name", UPLOADS)
def test_bad_uploads_are_refused_and_leave_nothing(name, visitor, studio):
    body, called = UPLOADS[name]
    body = body() if callable(body) else body
    before = set(studio.folder.rglob("*"))
    check_refusal(visitor.upload(body, called))
    after = {path for path in studio.folder.rglob("*") if path.is_file()}
    assert after <= before
    assert visitor.upload(png()).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_names_are_for_show_only(name, visitor, untouched, studio):
    told = visitor.upload(png(), name).json()
    assert "/" not in told["name"]
    assert len(told["name"]) <= 200
    (folder,) = studio.folder.glob(f"*/pictures/{told['id']}")
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == 3
    assert {"facts.json", "shown.png"} < kept
    job = visitor.begin(told["id"]).json()
    visitor.wait(job["id"], "done")
    saved = visitor.get(f"/api/jobs/{job['id']}/download")
    assert saved.status_code == 200
    assert "set-cookie" not in saved.headers
    disposition = saved.headers["content-disposition"]
    assert disposition.startswith("attachment")
    assert "/" not in disposition.replace("%2F", "/").removeprefix("attachment; filename*=utf-8''")


@pytest.mark.slow
def test_what_is_too_large_is_refused(tmp_path):
    running = Running(tmp_path / "folder", FAKE, most_bytes=2000)
    try:
        with running.visitor() as visitor:
            assert visitor.upload(png(10, 10)).status_code == 200
            check_refusal(visitor.upload(bytes(3000)), 413)

            def endless():  # without saying how long it is
                for _ in range(100):
                    yield bytes(1000)

            check_refusal(visitor.upload(endless()), 413)
        assert len(list(running.folder.glob("*/pictures/*"))) == 1
    finally:
        running.close()


def request(studio, method, path, headers=(), body=None):
    """Sends a request as it is, without a client that tidies it up."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "192.168.1.9", "", "localhost:80:80", "a b", "[::1"],
)
def test_other_hosts_are_refused(host, studio, untouched):
    status, text = request(studio, "GET", "/", [("Host", host)])
    assert status == 400
    assert "dip-jax studio" not in text
    status, _ = request(studio, "GET", "/", [("Host", "localhost"), ("Host", host)])
    assert status == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "[::1]:99", "LOCALHOST:1"])
def test_own_hosts_are_answered(host, studio):
    assert request(studio, "GET", "/", [("Host", host)])[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Dip-Jax-Studio": None},
    ],
)
def test_writes_of_other_pages_are_refused(headers, visitor, untouched):
    picture = visitor.upload(png()).json()["id"]
    job = visitor.begin(picture, settings={"steps": 300}).json()["id"]
    kept = dict(visitor.headers)
    visitor.headers.update({name: value for name, value in headers.items() if value})
    for name in [name for name, value in headers.items() if value is None]:
        del visitor.headers[name]
    answers = [
        visitor.upload(png()),
        visitor.begin(picture),
        visitor.put(f"/api/pictures/{picture}/mask", content=painted()),
        visitor.post(f"/api/jobs/{job}/stop"),
        visitor.delete(f"/api/jobs/{job}"),
        visitor.delete(f"/api/pictures/{picture}"),
        visitor.post("/api/session"),
    ]
    visitor.headers.clear()
    visitor.headers.update(kept)
    for answer in answers:
        check_refusal(answer, 403)
    assert visitor.job(job)["state"] in ("running", "waiting")


def test_files_of_other_browsers_cannot_be_reached(visitor, studio, untouched):
    picture = visitor.upload(png()).json()["id"]
    visitor.put(f"/api/pictures/{picture}/mask", content=painted())
    job = visitor.begin(picture).json()["id"]
    visitor.wait(job, "done")
    reads = [
        *(f"/api/pictures/{picture}{part}" for part in ("", "/shown", "/mask")),
        *(
            f"/api/jobs/{job}{part}"
            for part in ("", "/picture/before", "/file/run.json", "/download")
        ),
    ]
    for path in reads:
        assert visitor.get(path).status_code == 200
    with studio.visitor() as other:
        for path in reads:
            check_refusal(other.get(path), 404)
        for action in ("pause", "stop", "go_on"):
            check_refusal(other.post(f"/api/jobs/{job}/{action}"), 404)
        check_refusal(other.delete(f"/api/jobs/{job}"), 404)
        check_refusal(other.delete(f"/api/pictures/{picture}"), 404)
        check_refusal(other.begin(picture), 404)
        check_refusal(other.post(f"/api/pictures/{picture}/marks", params={"from": "alpha"}), 404)
        name = f"dip_jax_studio_{studio.port}"
        for secret in ("", "x", "../" * 20, "a" * 43, visitor.cookies[name][:-1] + "!"):
            cookie = {"Cookie": f"{name}={secret}"}
            other.cookies.clear()
            check_refusal(other.get(reads[0], headers=cookie), 401, 404)
    assert visitor.job(job)["state"] == "done"


def test_cookies_of_other_programs_do_not_matter(visitor, studio):
    """Browsers send those of all ports of a host, whatever they look like."""
    own = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    for cookies in (f'a={{"b": [1, 2]}}; {own}', f"x[1]=é; {own}", f"lonely; {own}; c=;"):
        headers = [("Host", f"127.0.0.1:{studio.port}"), ("Cookie", cookies)]
        assert request(studio, "GET", "/api/jobs", headers)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page/index.html",
        "/server.py",
        "/studio.js/../../server.py",
        "//etc/passwd",
        "/.lock",
        "/studio.txt",
        "/api/pictures/..",
        "/api/pictures/..%2f..%2fstudio.txt",
        "/api/pictures/%2e%2e/shown",
        "/api/pictures/0123456789abcdef0/shown",
        "/api/jobs/..%2F..%2F.lock/download",
        "/api/jobs/0123456789abcdef/file/..%2fjob.json",
        "/api/jobs/%00/picture/before",
        "/docs",
        "/openapi.json",
        "/api/jobs/" + "a" * 20_000,
    ],
)
def test_nothing_else_is_served(path, visitor, studio, untouched):
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    headers = [("Host", f"127.0.0.1:{studio.port}"), ("Cookie", cookie)]
    status, text = request(studio, "GET", path, headers)
    assert status in (400, 404, 414)
    for secret in ("root:", "Pictures and fits", "import ", "Traceback"):
        assert secret not in text


def test_own_files_that_are_not_for_show_are_not_served(visitor):
    job = visitor.begin(visitor.upload(png()).json()["id"]).json()["id"]
    visitor.wait(job, "done")
    for name in (
        "job.json",
        "log.txt",
        "events.jsonl",
        "picture.png",
        "..%2fjob.json",
        "out%2f.steps",
    ):
        check_refusal(visitor.get(f"/api/jobs/{job}/file/{name}"), 404)
        check_refusal(visitor.get(f"/api/jobs/{job}/picture/{name}"), 404)


FORMS = {
    "no json": b"{",
    "a list": b"[1, 2]",
    "deep": b"[" * 60_000,
    "large": json.dumps({"damage": "x" * 2**17}).encode(),
    "not utf-8": b"\xff\xfe\x00",
    "empty": b"",
}


@pytest.mark.parametrize("name", FORMS)
def test_bad_forms_are_refused(name, visitor, untouched):
    check_refusal(visitor.post("/api/jobs", content=FORMS[name]), 400, 413)


@pytest.mark.parametrize(
    "form",
    [
        {"damage": "__proto__"},
        {"damage": ["grain"]},
        {"preset": "../../evil"},
        {"preset": None},
        {"settings": []},
        {"settings": {"out": "/tmp/evil"}},
        {"settings": {"steps": "5 --out=/tmp/evil"}},
        {"settings": {"steps": 1e308}},
        {"settings": {"steps": -1}},
        {"settings": {"steps": True}},
        {"settings": {"sigma": "nan"}},
        {"settings": {"sigma": "inf"}},
        {"settings": {"seed": {"a": 1}}},
        {"settings": {"noise": "--flagfile=/etc/passwd"}},
        {"damage": "blur", "settings": {"blur": "/etc/passwd"}},
        {"damage": "blur", "settings": {"size": "4,psf.png"}},
        {"box": [0, 0, 0, 0]},
        {"box": [0, 0, 28, 20]},
        {"box": [-1, 0, 5, 5]},
        {"box": [0, 0, 1.5, 2]},
        {"box": "0,0,5,5"},
        {"box": [True, False, True, True]},
        {"picture": "../../../etc"},
        {"picture": "0" * 16},
        {"picture": None},
    ],
    ids=str,
)
def test_bad_values_are_refused(form, visitor, untouched):
    picture = visitor.upload(png()).json()["id"]
    check_refusal(visitor.begin(**({"picture": picture} | form)), 400, 404)
    assert visitor.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "OPTIONS", "CONNECT", "BREW"])
def test_other_methods_are_refused(method, studio, untouched):
    headers = [("Host", f"127.0.0.1:{studio.port}"), ("X-Dip-Jax-Studio", "1")]
    status, text = request(studio, method, "/api/jobs", headers)
    assert status in (400, 403, 404, 405)
    assert "Traceback" not in text


def test_a_mask_that_is_a_bomb_is_refused(visitor, untouched):
    picture = visitor.upload(png()).json()["id"]
    bomb = png_of(20_000, 20_000, bytes(20_000 * 1000))
    check_refusal(visitor.put(f"/api/pictures/{picture}/mask", content=bomb))
    answer = visitor.post(f"/api/pictures/{picture}/marks", params={"from": "file"}, content=bomb)
    check_refusal(answer)


@pytest.mark.slow
def test_an_upload_that_is_broken_off_leaves_nothing(visitor, studio, untouched):
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    before = len(list(studio.folder.glob("*/pictures/*")))
    with socket.create_connection(("127.0.0.1", studio.port)) as connection:
        lines = ["POST /api/pictures HTTP/1.1", f"Host: 127.0.0.1:{studio.port}"]
        lines += [f"Cookie: {cookie}", "X-Dip-Jax-Studio: 1", "Content-Length: 100000", "", ""]
        connection.sendall("\r\n".join(lines).encode() + bytes(5000))
        time.sleep(0.3)
    deadline = time.monotonic() + 10
    while len(list(studio.folder.glob("*/pictures/*"))) != before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_fifty_at_once(studio, untouched):
    statuses, shown = [], []

    def come():
        with studio.visitor() as visitor:
            answer = visitor.upload(png())
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                shown.append(opened(visitor.get(f"/api/pictures/{answer.json()['id']}/shown")))
            statuses.append(visitor.get("/").status_code)

    threads = [threading.Thread(target=come) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(statuses) == 100
    assert set(statuses) == {200}
    given = np.asarray(Image.open(io.BytesIO(png())))
    assert all(np.array_equal(each, given) for each in shown)
