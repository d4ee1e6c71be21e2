"""Plain paths: a result goes to a file like the picture's own."""

import sys
from unittest.mock import ANY

import numpy as np
import pytest
import tifffile
from PIL import Image

from dip_jax.app.cli import picture
from dip_jax.app.cli.target import names_file
from dip_jax.app.files.formats import PNG, format_of_suffix
from dip_jax.app.files.pictures import Origin, read_picture, write_picture
from dip_jax.app.files.scale import Scale
from tests.app.common import run, unfitted

pytestmark = pytest.mark.usefixtures("shifted")


def save_16_bit(path, channels=3):
    image = np.random.default_rng(0).random((20, 27, channels))
    write_picture(path, image, None, Origin(PNG, np.dtype(np.uint16), Scale(0, 65535)))
    return read_picture(path).image


def test_the_result_lies_beside_the_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = save_16_bit(tmp_path / "p.png")
    code, out, _ = run(capsys, "p.png")
    assert code == 0
    assert "p_restored.png" in out
    after = read_picture(tmp_path / "p_restored.png")
    assert after.origin.dtype == np.uint16
    np.testing.assert_array_equal(after.image[1:], before[1:])
    np.testing.assert_allclose(after.image[0], 0.25, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.png", "p_restored.png"]
    code, _, err = run(capsys, "p.png")
    assert code == 2
    assert "--out=p_restored.png: exists; name another file, or pass --overwrite" in err
    assert run(capsys, "p.png", "--overwrite")[0] == 0


@pytest.mark.parametrize("flags", [["{out}"], ["-o", "{out}"], ["--out={out}"]])
def test_the_suffix_decides(flags, tmp_path, capsys):
    save_16_bit(tmp_path / "p.png")
    out = tmp_path / "q.tif"
    assert run(capsys, tmp_path / "p.png", *(flag.format(out=out) for flag in flags))[0] == 0
    assert tifffile.imread(out).dtype == np.uint16
    out = tmp_path / "q.jpg"
    told = run(capsys, tmp_path / "p.png", *(flag.format(out=out) for flag in flags))[1]
    assert "JPEG does not hold uint16: written as uint8" in told
    with Image.open(out) as image:
        assert image.format == "JPEG"


def test_a_jpeg_stays_one_with_its_metadata(tmp_path, capsys):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a maker", 6
    profile = bytes(16) + b"RGB " + bytes(200)
    grey = Image.new("RGB", (32, 24), "grey")
    grey.save(tmp_path / "p.jpeg", exif=exif, icc_profile=profile, dpi=(300, 300), quality=97)
    assert run(capsys, tmp_path / "p.jpeg")[0] == 0
    with Image.open(tmp_path / "p_restored.jpeg") as image:
        assert image.format == "JPEG"
        assert image.size == (24, 32)
        assert dict(image.getexif()) == {0x010F: "a maker", 0x0112: 1}
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == (300, 300)
        with Image.open(tmp_path / "p.jpeg") as stored:
            assert image.quantization == stored.quantization
    assert run(capsys, tmp_path / "p.jpeg", tmp_path / "s.jpg", "--strip")[0] == 0
    with Image.open(tmp_path / "s.jpg") as image:
        assert not image.getexif()
        assert image.info["icc_profile"] == profile


def test_a_gif_becomes_a_png(tmp_path, capsys):
    Image.new("L", (32, 24), 99).save(tmp_path / "p.gif")
    code, out, _ = run(capsys, tmp_path / "p.gif")
    assert code == 0
    assert "results are not written as GIF: this is a PNG" in out
    with Image.open(tmp_path / "p_restored.png") as image:
        assert image.mode == "L"


def test_a_folder_holds_all_results(tmp_path, capsys):
    stored = np.random.default_rng(0).integers(0, 65536, (20, 27)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", stored)
    folder = tmp_path / "out"
    assert run(capsys, tmp_path / "p.tif", f"{folder}/")[0] == 0
    names = {"restored.png", "restored.tif", "comparison.png", "trace.csv", "run.json"}
    assert {path.name for path in folder.iterdir()} == names
    np.testing.assert_array_equal(tifffile.imread(folder / "restored.tif")[1:], stored[1:])
    restored = read_picture(folder / "restored.png").image
    np.testing.assert_array_equal(np.rint(restored[1:, :, 0] * 65535), stored[1:])


def test_counts_come_back_as_counts(tmp_path, capsys):
    counts = np.random.default_rng(0).poisson(50, (20, 27))
    np.save(tmp_path / "p.npy", counts)
    code, _, err = run(capsys, tmp_path / "p.npy")
    assert code == 0
    restored = np.load(tmp_path / "p_restored.npy")
    assert restored.dtype == counts.dtype
    np.testing.assert_array_equal(restored[1:], counts[1:])
    assert "values" not in err
    folder = tmp_path / "out"
    assert run(capsys, f"--image={tmp_path / 'p.npy'}", f"--out={folder}")[0] == 0
    np.testing.assert_array_equal(np.load(folder / "restored.npy")[1:, :, 0], counts[1:])


def test_no_numbers_are_filled(tmp_path, capsys):
    values = np.random.default_rng(0).random((20, 27))
    values[3:5, 4:9] = np.nan
    np.save(tmp_path / "p.npy", values)
    code, _, err = run(capsys, tmp_path / "p.npy")
    assert code == 2
    assert "holds no numbers (NaN, infinity) in 1.85 % of its pixels; --task=inpaint" in err
    code, _, err = run(capsys, tmp_path / "p.npy", "--task=inpaint")
    assert code == 0
    assert "filling 1.85 % of the picture: what is not numbers\n" in err
    assert np.isfinite(np.load(tmp_path / "p_restored.npy")).all()


def test_an_old_folder_with_a_suffix_stays_one(tmp_path):
    (tmp_path / "old.png").mkdir()
    assert not names_file(str(tmp_path / "old.png"))
    assert not names_file(f"{tmp_path}/new.png/")
    assert not names_file(str(tmp_path / "results.v2"))
    assert names_file(str(tmp_path / "new.png"))


def test_a_picture_of_many_channels(tmp_path, capsys):
    values = np.random.default_rng(0).integers(0, 256, (20, 27, 5)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "p.tif", values, photometric="minisblack", planarconfig="contig")
    code, out, err = run(capsys, tmp_path / "p.tif")
    assert code == 0
    assert "p: 27x20, 5 channels\n" in out
    assert "has 5 channels: all are restored, the first three are shown\n" in err
    restored = tifffile.imread(tmp_path / "p_restored.tif")
    np.testing.assert_array_equal(restored[1:], values[1:])
    folder = tmp_path / "all"
    assert run(capsys, f"--image={tmp_path / 'p.tif'}", f"--out={folder}")[0] == 0
    np.testing.assert_array_equal(tifffile.imread(folder / "restored.tif"), restored)
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "restored.png")), restored[..., :3]
    )
    assert (folder / "comparison.png").exists()
    code, out, _ = run(capsys, tmp_path / "p.tif", tmp_path / "p.png")
    assert code == 0
    assert "note: PNG holds no 5 channels: the first three are written\n" in out


def test_formats_that_need_a_package_are_refused_before_the_fit(tmp_path, capsys, monkeypatch):
    save_16_bit(tmp_path / "p.png")
    monkeypatch.setattr(picture, "restore", None)
    for package, suffix in {"astropy": "fits", "h5py": "h5"}.items():
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
        code, out, err = run(capsys, tmp_path / "p.png", tmp_path / f"q.{suffix}")
        assert code == 2
        assert out == ""
        extra = {"fits": "fits", "h5": "hdf5"}[suffix]
        assert f"q.{suffix}: needs a package of its own: pip install 'dip-jax[{extra}]'\n" in err


@pytest.mark.parametrize("suffix", ["fits", "h5", "mat", "npz"])
def test_results_of_science_formats(suffix, tmp_path, capsys):
    needed = {"fits": "astropy", "h5": "h5py"}
    if suffix in needed:
        pytest.importorskip(needed[suffix], reason=f"{needed[suffix]} is not installed")
    values = np.random.default_rng(0).random((20, 27)).astype(np.float32) * 3000 - 100
    counts = Origin(format_of_suffix(tmp_path / f"p.{suffix}"), values.dtype, Scale(-100, 2900))
    write_picture(tmp_path / f"p.{suffix}", (values[:, :, None] + 100) / 3000, None, counts)
    code, out, _ = run(capsys, tmp_path / f"p.{suffix}")
    assert code == 0
    assert "note" not in out
    restored = read_picture(tmp_path / f"p_restored.{suffix}")
    assert restored.origin.dtype == np.float32
    given = read_picture(tmp_path / f"p.{suffix}")
    np.testing.assert_allclose(restored.image[1:], given.image[1:], atol=1e-3)
    folder = tmp_path / "all"
    assert run(capsys, f"--image={tmp_path / f'p.{suffix}'}", f"--out={folder}")[0] == 0
    assert (folder / f"restored.{suffix}").exists()
    assert (folder / "restored.png").exists()


def test_a_range_that_is_given(tmp_path, capsys):
    counts = np.random.default_rng(0).integers(1000, 1400, (20, 27)).astype(np.uint16)
    counts[5, 5] = 1600
    tifffile.imwrite(tmp_path / "p.tif", counts)
    code, _, err = run(capsys, tmp_path / "p.tif", "--range=1000,1500")
    assert code == 0
    assert err.endswith("has 0.185 % of its values outside the range: they are clipped\n")
    restored = tifffile.imread(tmp_path / "p_restored.tif")
    assert (restored[0] == 1125).all()  # a quarter from black to white
    np.testing.assert_array_equal(restored[1:], np.minimum(counts, 1500)[1:])


def test_a_range_of_8_bits(tmp_path, capsys):
    values = np.random.default_rng(0).integers(20, 200, (20, 27)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "p.png")
    folder = tmp_path / "all"
    image = f"--image={tmp_path / 'p.png'}"
    assert run(capsys, image, f"--out={folder}", "--range=20,220") == (0, *([ANY] * 2))
    restored = np.asarray(Image.open(folder / "restored.png"))
    assert (restored[0] == 70).all()
    np.testing.assert_array_equal(restored[1:], values[1:])


def test_format_decides_where_no_name_does(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_16_bit(tmp_path / "p.png")
    assert run(capsys, "p.png", "--format=tif")[0] == 0
    assert tifffile.imread("p_restored.tif").dtype == np.uint16
    assert run(capsys, "p.png", "--format=.JPEG")[0] == 0
    assert read_picture("p_restored.jpeg").origin.format.name == "JPEG"
    assert run(capsys, "p.png", "out/", "--format=webp")[0] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.webp"]
    assert run(capsys, "--image=p.png", "--format=bmp")[0] == 0
    assert read_picture("p_restored.bmp").origin.format.name == "BMP"
    assert run(capsys, "p.png", "--format=jpg", "--name={stem}-new{suffix}")[0] == 0
    assert read_picture("p-new.jpg").origin.format.name == "JPEG"
    assert run(capsys, "p.png", "q.jpg", "--format=jpeg")[0] == 0  # the same, said twice


def test_the_format_of_many(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        save_16_bit(tmp_path / "in" / name)
    assert run(capsys, tmp_path / "in", tmp_path / "out", "--format=tif")[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.tif"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["p.png", "--format=heic"], "--format=heic: can't be written in this format; take one of"),
        (["p.png", "--format=x"], "--format=x: can't be written in this format; take one of .png"),
        (["p.png", "q.png", "--format=tif"], "--format=tif: is not the format of --out=q.png; dr"),
        (
            ["p.png", "--name={stem}_.png", "--format=tif"],
            "--format=tif: is not the format of --name={stem}_.png; drop one",
        ),
        (["--format=tif"], "--format=tif: needs a picture; name one"),
    ],
)
def test_formats_that_can_not_be(argv, words, refused):
    assert words in refused(*argv)


def test_an_enlarged_picture_keeps_its_size_in_inches_and_its_transparency(
    tmp_path, capsys, monkeypatch
):
    def enlarged(observed, *, preset, **options):
        assert observed[..., 2].max() == 0  # the hidden blue is gone
        image = observed.repeat(4, 0).repeat(4, 1)
        return unfitted(image, preset)

    monkeypatch.setattr(picture, "restore", enlarged)
    pixels = np.full((20, 24, 4), (200, 0, 0, 255), np.uint8)
    pixels[:, :9] = (0, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "p.png", dpi=(100, 100))
    assert run(capsys, tmp_path / "p.png", "--factor=4")[0] == 0
    with Image.open(tmp_path / "p_restored.png") as image:
        assert image.size == (96, 80)
        assert image.info["dpi"] == pytest.approx((400, 400), abs=0.1)
        alpha = np.asarray(image)[:, :, 3]
    Image.new("RGB", (64, 64), "red").save(tmp_path / "q.png", dpi=(100, 100))
    assert run(capsys, tmp_path / "q.png", "--factor=4", "--downsample")[0] == 0
    with Image.open(tmp_path / "q_restored.png") as image:
        assert image.size == (64, 64)
        assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
    assert set(alpha[:, :30].ravel()) == {0}
    assert set(alpha[:, 42:].ravel()) == {255}
    assert len(np.unique(alpha)) > 2
