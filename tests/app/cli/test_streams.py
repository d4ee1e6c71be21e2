"""``-``: the picture from standard input, the result to standard output."""

import io
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from dip_jax.app.cli import command

pytestmark = pytest.mark.usefixtures("shifted")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def encode(kind, dtype=np.uint8):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 27, 3)).astype(dtype)
    file = io.BytesIO()
    if kind == "NPY":
        np.save(file, pixels)
    elif kind == "TIFF":
        tifffile.imwrite(file, pixels)
    else:
        Image.fromarray(pixels).save(file, format=kind, quality=95)
    return file.getvalue()


def run(capsysbinary, monkeypatch, data, *argv):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code = command.main([str(argument) for argument in argv])
    captured = capsysbinary.readouterr()
    return code, captured.out, captured.err.decode()


@pytest.mark.parametrize("paths", [["-", "-"], ["-"], ["--image=-", "--out=-"], ["-", "-o", "-"]])
def test_only_the_picture_goes_to_standard_output(paths, capsysbinary, monkeypatch):
    code, out, err = run(capsysbinary, monkeypatch, encode("PNG"), *paths)
    assert code == 0
    with Image.open(io.BytesIO(out)) as image:
        assert image.format == "PNG"
        assert (np.asarray(image)[0] == 64).all()
    assert "stdin: 27x20, RGB" in err
    assert "done: 0 steps" in err


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "NPY", "WEBP"])
def test_the_format_is_that_of_the_picture(kind, capsysbinary, monkeypatch):
    deep = kind in ("TIFF", "NPY")
    data = encode(kind, np.uint16 if deep else np.uint8)
    code, out, _ = run(capsysbinary, monkeypatch, data, "-", "-")
    assert code == 0
    if kind == "NPY":
        np.testing.assert_array_equal(np.load(io.BytesIO(out))[1:], np.load(io.BytesIO(data))[1:])
    elif kind == "TIFF":
        assert tifffile.imread(io.BytesIO(out)).dtype == np.uint16
    else:
        with Image.open(io.BytesIO(out)) as image:
            assert image.format == kind


@pytest.mark.parametrize(("name", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("tif", "TIFF")])
def test_the_format_can_be_chosen(name, kind, tmp_path, capsysbinary, monkeypatch):
    (tmp_path / "p.png").write_bytes(encode("PNG"))
    for data, paths in ((encode("PNG"), ["-"]), (b"", [tmp_path / "p.png", "-"])):
        code, out, _ = run(capsysbinary, monkeypatch, data, *paths, f"--format={name}")
        assert code == 0
        with Image.open(io.BytesIO(out)) as image:
            assert image.format == kind
            assert image.size == (27, 20)


def test_one_end_may_be_a_file(tmp_path, capsysbinary, monkeypatch):
    code, out, _ = run(capsysbinary, monkeypatch, encode("PNG"), "-", tmp_path / "out.tif")
    assert code == 0
    assert b"done: 0 steps" in out
    assert tifffile.imread(tmp_path / "out.tif").shape == (20, 27, 3)
    code, out, _ = run(capsysbinary, monkeypatch, b"", tmp_path / "out.tif", "-")
    assert code == 0
    assert tifffile.imread(io.BytesIO(out)).shape == (20, 27, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "--image=-: gave nothing"),
        (b"hello", "--image=-: is not a picture that can be read; save it as"),
        (encode("PNG")[:200], "--image=-: is damaged or cut short"),
        (encode("TIFF", np.uint16)[:900], "--image=-: is damaged or cut short"),
        (encode("NPY")[:200], "--image=-: is not one whole NumPy array"),
    ],
)
def test_a_bad_stream_is_one_line(data, words, tmp_path, capsysbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for paths in (["-"], ["-", "out.png"]):
        code, out, err = run(capsysbinary, monkeypatch, data, *paths)
        assert (code, out) == (2, b"")
        assert err.startswith(f"dip-jax: {words}")
        assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_terminals_and_streams_for_what_they_are_not(tmp_path, capsys, monkeypatch):
    Image.new("L", (20, 20)).save(tmp_path / "p.png")
    for stdin in (None, Terminal()):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert command.main(["-"]) == 2
        assert "--image=-: is standard input, into which no" in capsys.readouterr().err
    assert command.main([str(tmp_path), "-"]) == 2
    assert "--out=-: is one file, for many pictures; name a folder" in capsys.readouterr().err
    assert command.main([str(tmp_path / "p.png"), "-", "--resume"]) == 2
    assert "needs a folder to keep the run in" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert command.main([str(tmp_path / "p.png"), "-"]) == 2
    assert "--out=-: is a terminal, which shows no picture" in capsys.readouterr().err


def test_too_much_is_refused(capsysbinary, monkeypatch):
    monkeypatch.setattr("dip_jax.app.files.pictures._MOST_BYTES", 1000)
    code, _, err = run(capsysbinary, monkeypatch, encode("PNG"), "-")
    assert code == 2
    assert "--image=-: gave more than" in err
