"""The noise that ``--noise_from`` measures."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.app.cli import command
from dip_jax.app.cli.inputs import read_inputs
from dip_jax.app.cli.parser import parse
from dip_jax.app.cli.request import read_request
from dip_jax.app.files import write_picture

RNG = np.random.default_rng(0)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """``p.png``, of which the left half is flat and noisy; ``flat.png``; pictures that don't do."""
    monkeypatch.chdir(tmp_path)
    noise = 12 / 255 * RNG.standard_normal((64, 128, 3))
    p = 0.5 + noise
    p[:, 64:] = RNG.random((64, 64, 3))
    soft = gaussian_filter(RNG.standard_normal((64, 64, 3)), (1, 1, 0))
    for name, image in {
        "p": p,
        "flat": 0.5 + 6 / 255 * soft / soft.std(),
        "grey": p[:, :, :1],
        "black": 0 * p,
    }.items():
        write_picture(tmp_path / f"{name}.png", np.clip(image, 0, 1))


def read(where):
    flags = read_request(parse(["--image=p.png", f"--noise_from={where}"]))
    return read_inputs(flags, flags.files).noise


def test_a_part_of_the_picture_or_another_picture(pictures):
    part, other = read("0,0,64,64"), read("flat.png")
    assert part.level == pytest.approx(12, rel=0.15)
    assert other.level == pytest.approx(6, rel=0.15)
    # Of which one is white, and the other is not.
    middles = [float(noise.kernel[10, 10, 0, 0] ** 2) for noise in (part, other)]
    assert middles[0] > 0.8
    assert middles[1] < 0.4


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--noise_from=100,0,64,64"], "--noise_from=100,0,64,64: is not inside the picture"),
        (["--noise_from=0,0,0,5"], "is not inside the picture, which is 128x64"),
        (
            ["--noise_from=0,0,12,12"],
            "12x12 pixels are too few; take 48x48 or more",
        ),
        (
            ["--noise_from=-1,0,30,30"],
            "--noise_from=-1,0,30,30: is not a rectangle: write",
        ),
        (["--noise_from=1,2,3"], "is not a rectangle"),
        (["--noise_from=grey.png"], "--noise_from=grey.png: has 1 channels, the picture has 3"),
        (["--noise_from=black.png"], "--noise_from=black.png: holds no noise that can be measured"),
        (["--noise_from=none.png"], "--noise_from=none.png"),
        (["--noise_from=flat.png", "--preset=sure"], "which sure does not take"),
    ],
)
def test_refusals_in_one_line(pictures, flags, words, capsys, tmp_path):
    assert command.main(["--image=p.png", f"--out={tmp_path / 'out'}", *flags]) != 0
    captured = capsys.readouterr().err
    assert words in captured
    assert captured.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_run_says_where_the_noise_was_measured(pictures, tiny_presets, capsys):
    assert command.main(["p.png", "q.png", "--noise_from=0,0,64,64", "--steps=2"]) == 0
    out = capsys.readouterr().out
    assert "noise: measured where --noise_from says, level 1" in out
    assert "as given" not in out
