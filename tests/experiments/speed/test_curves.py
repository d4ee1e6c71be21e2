"""A learning curve: how the peer's resumes, and refused flags."""

import numpy as np
import pytest

from dip_jax.app.files import write_picture
from experiments.speed import curves, time_to_quality


def test_the_peers_curve_goes_on_bit_for_bit(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed (extra bench)")
    from experiments.speed import peer

    picture = tmp_path / "picture.png"
    write_picture(picture, np.random.default_rng(0).random((64, 64, 3), np.float32))
    monkeypatch.setattr(curves, "KEEP_EVERY", 5)
    flags = ["--method=pytorch", f"--picture={picture}", "--size=64", "--backend=cpu"]
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    assert curves.main([*flags, "--steps=15", f"--file={whole}"]) == 0
    steps, step = [], peer.Fit.step

    def interrupted(fit):
        steps.append(step(fit))
        if len(steps) == 7:
            raise KeyboardInterrupt
        return steps[-1]

    monkeypatch.setattr(peer.Fit, "step", interrupted)
    assert curves.main([*flags, "--steps=15", f"--file={parts}"]) == 130
    assert not parts.exists()
    assert curves.main([*flags, "--steps=15", f"--file={parts}"]) == 0
    assert len(steps) == 7 + 10  # from the fifth, the last that was kept
    assert not parts.with_suffix(".state").exists()
    one, two = time_to_quality.read_curve(whole), time_to_quality.read_curve(parts)
    np.testing.assert_array_equal(one.step, [5, 10, 15])
    np.testing.assert_array_equal(two.step, one.step)
    np.testing.assert_array_equal(two.psnr, one.psnr)
    np.testing.assert_array_equal(two.average_psnr, one.average_psnr)


def test_mistakes_are_one_line(capsys):
    assert curves.main(["--method=fast"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
