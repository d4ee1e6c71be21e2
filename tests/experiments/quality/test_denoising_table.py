"""The table's arithmetic, its resumption and its refusals; one preset end to end."""

import numpy as np
import pytest

from dip_jax.app import UserError
from dip_jax.app.files import write_picture
from dip_jax.metrics import psnr_8_bit
from experiments.quality import denoisers, denoising_table
from experiments.quality.denoising_table import PICTURES, load_pair
from experiments.quality.tables import find_method
from tests.experiments.quality.common import read_rows

NAMES = ("image_House256rgb", "kodim03")


@pytest.fixture
def data(tmp_path):
    """Two pictures under the names of the standard ones; one has a published noisy file."""
    rng = np.random.default_rng(0)
    for folder in ("set9", "set9_noisy/sigma25"):
        (tmp_path / folder).mkdir(parents=True)
    for name in NAMES:
        write_picture(tmp_path / "set9" / f"{name}.png", rng.random((40, 48, 3)))
    for stem in ("hill", "kodim03"):
        path = tmp_path / "set9_noisy" / "sigma25" / f"{stem}_noisy.png"
        write_picture(path, rng.random((40, 48, 3)))
    return tmp_path


def run(data, *flags):
    common = [f"--data={data}", f"--pictures={','.join(NAMES)}", "--size=32"]
    return denoising_table.main([*common, f"--out={data / 'out'}", *flags])


def rows(data):
    return read_rows(data / "out", "denoising_table")


def test_published_noise_is_used_and_cut_with_the_picture(data):
    noisy, clean = load_pair(data, "image_House256rgb", 32, 25)
    whole, truth = load_pair(data, "image_House256rgb", 0, 25)
    assert whole.shape == (40, 48, 3)
    np.testing.assert_array_equal(noisy, whole[4:36, 8:40])
    np.testing.assert_array_equal(clean, truth[4:36, 8:40])
    made, _ = load_pair(data, "image_House256rgb", 0, 15)
    assert np.std(made - truth) == pytest.approx(15 / 255, rel=0.2)
    assert np.array_equal(np.round(255 * made) / np.float32(255), made)  # 8-bit


@pytest.mark.slow
def test_classical_methods_end_to_end(data, capsys):
    assert run(data, "--methods=noisy,nlm,tv", "--sigmas=25,15") == 0
    out = capsys.readouterr().out
    assert "| 25 | noisy |" in out
    found = rows(data)
    assert len(found) == 2 * 2 * 3
    noisy, clean = load_pair(data, "kodim03", 32, 25)
    row = next(r for r in found if (r["picture"], r["sigma"]) == ("kodim03", "25"))
    assert float(row["psnr"]) == pytest.approx(psnr_8_bit(noisy, clean), abs=1e-3)


def test_finished_rows_are_not_done_again(data, monkeypatch, capsys):
    done = []

    def denoise(method, y, sigma, seed, reference):
        done.append((method, sigma, seed))
        if len(done) == 3:
            raise KeyboardInterrupt
        return y, {"seconds": "1.0"}

    monkeypatch.setattr(denoising_table, "denoise", denoise)
    assert run(data, "--methods=noisy,nlm") == 130
    assert len(rows(data)) == 2
    assert run(data, "--methods=noisy,nlm") == 0
    assert done == [("noisy", 25, 0), ("noisy", 25, 0), ("nlm", 25, 0)] + [("nlm", 25, 0)] * 2
    assert "| 25 | nlm |" in capsys.readouterr().out


def test_published_numbers_stand_beside_whole_pictures():
    found = [
        {"picture": name, "sigma": "25", "method": "noisy", "psnr": "20.0", "seconds": "0"}
        for name in PICTURES
    ]
    table = denoising_table.tabulate_quality(found, ["noisy"], [25], 0)
    means = {line[1]: line[-2] for line in table.rows}
    assert means == {"noisy": "20.00", "authors' output": "31.29", "CBM3D, published": "31.42"}
    assert len(denoising_table.tabulate_quality(found, ["noisy"], [25], 256).rows) == 1


@pytest.mark.slow
def test_a_preset_end_to_end(data, quick_presets):
    assert run(data, "--methods=fast:none,fast*2", "--pictures=kodim03", "--seeds=1") == 0
    single, double = rows(data)
    assert single["rule"] == "none"
    assert single["limit"] == single["steps"]
    assert int(single["steps"]) == int(single["chosen"])
    assert float(single["oracle_psnr"]) >= float(single["last_psnr"])
    assert double["rule"] == ""
    assert float(double["psnr"]) > 0
    assert single["rank_correlation"] == ""
    table = denoising_table.tabulate_uncertainty([single, double], ["fast:none", "fast*2"], [25])
    (line,) = table.rows
    assert line == [25, "fast*2", *(f"{float(double['rank_correlation']):.2f}",) * 2]


def test_a_method_may_work_in_tiles():
    method = find_method("fast:none/64*3", "denoise")
    assert (method.preset.stop, method.preset.counts.tile, method.members) == ("none", 64, 3)
    assert find_method("fast", "denoise").preset.counts.tile is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--methods=fats"], "--methods=fats: is unknown"),
        (["--methods=fast:psnr"], "stop=psnr: is unknown"),
        (["--methods=fast**2"], "is not a method"),
        (["--methods=fast/9"], "--methods tile=9: must be 0, or at least 64 pixels"),
        (["--sigmas=a"], "--sigmas=a"),
        (["--pictures=lena", "--methods=noisy"], "--pictures=lena: is not in"),
        (["--size=99", "--methods=noisy"], "--size=99: image_House256rgb is only 48x40"),
    ],
)
def test_mistakes_are_one_line(data, flags, words, capsys):
    assert run(data, *flags) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if ": " in line]
    assert words in lines[-1]


def test_without_bm3d_or_data(data, monkeypatch, capsys):
    monkeypatch.setattr(denoisers, "require", _missing)
    assert run(data, "--methods=bm3d") == 2
    assert denoising_table.main(["--data=", "--methods=noisy"]) == 2
    assert "--data: is required" in capsys.readouterr().err


def _missing(package, extra, flag, value):
    raise UserError(flag, value, f"{package} is not installed, see {extra}")
