"""The table of real noise: pairs of pictures, the verdict, a preset and a classical method."""

import numpy as np
import pytest

from dip_jax.app.files import write_picture
from experiments.quality import real_noise_table
from tests.experiments.quality.common import read_rows


@pytest.fixture
def data(tmp_path):
    """A set of one pair, of which the noisy picture is 80x90."""
    rows, columns = np.mgrid[0:80, 0:90]
    clean = np.stack([0.2 + 0.5 * columns / 90 + 0.2 * (rows > 40)] * 3, axis=2)
    noisy = clean + 0.06 * np.random.default_rng(0).standard_normal(clean.shape)
    for kind, image in (("clean", clean), ("noisy", noisy)):
        (tmp_path / "real" / "cc" / kind).mkdir(parents=True)
        write_picture(tmp_path / "real" / "cc" / kind / "one.png", np.clip(image, 0, 1))
    return tmp_path


def run(data, *flags):
    return real_noise_table.main([f"--data={data}", f"--out={data / 'out'}", "--sets=cc", *flags])


@pytest.mark.slow
def test_rows_hold_scores_and_the_verdict(data, quick_presets):
    assert run(data, "--size=64") == 0
    rows = {row["method"]: row for row in read_rows(data / "out", "real_noise_table")}
    assert rows.keys() == {"noisy", "nlm", "fast"}
    assert {row["verdict"] for row in rows.values()} == {"white"}
    assert float(rows["fast"]["level"]) == pytest.approx(15.3, rel=0.15)
    assert float(rows["noisy"]["psnr"]) == pytest.approx(24.6, abs=0.4)
    assert float(rows["nlm"]["psnr"]) > float(rows["noisy"]["psnr"]) + 1
    text = (data / "out" / "real_noise_table.md").read_text(encoding="utf-8")
    assert "| one | white |" in text


def test_larger_pictures_are_cropped_and_smaller_ones_are_whole(data):
    folder = data / "real"
    assert real_noise_table.load_pair(folder, "cc", "one", 64)[0].shape == (64, 64, 3)
    assert real_noise_table.load_pair(folder, "cc", "one", 256)[1].shape == (80, 90, 3)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--sets=dd", "--sets=dd: holds none of these pictures"),
        ("--pictures=two", "--sets=cc: holds none of these pictures"),
        ("--methods=bm4d", "--methods=bm4d: is unknown"),
        ("--methods=fast+pink", "--methods noise=pink: is unknown"),
        ("--data=", "--data=: is required"),
    ],
)
def test_refusals(data, flag, words, capsys):
    assert run(data, flag) == 2
    assert words.split(":")[1] in capsys.readouterr().err
