"""The noises, the methods, the targets; one grid end to end and its refusals."""

import numpy as np
import pytest

from dip_jax.app.files import write_picture
from dip_jax.app.recipe import Plain, build, find_preset
from dip_jax.app.recipe.methods.base import Method
from dip_jax.app.recipe.rules import moving
from dip_jax.noise import NoiseModel
from experiments.quality import stopping_table, tables
from experiments.quality.denoising_table import load_pair
from experiments.quality.stopping_table import (
    find_methods,
    make_plain_preset,
    parse_noises,
    tabulate_targets,
)
from tests.experiments.quality.common import read_rows

NAME = "kodim03"
SIZE = 32


@pytest.fixture
def data(tmp_path):
    """A smooth picture under the name of a standard one, of dark and bright parts."""
    y, x = np.mgrid[0:40, 0:48]
    planes = [np.clip(0.04 + x / 48 - 0.1 * (y > 20) + 0.02 * c, 0, 1) for c in range(3)]
    (tmp_path / "set9").mkdir()
    write_picture(tmp_path / "set9" / f"{NAME}.png", np.stack(planes, axis=2))
    return tmp_path


@pytest.fixture
def impatient(tiny_presets, monkeypatch):
    """Small networks and rules that soon end a run; the kept algorithms have other constants."""
    hasty = {"patience": 0.0, "at_least": 2}
    monkeypatch.setattr(Method, "patience", hasty)
    monkeypatch.setattr(moving.MovingVariance, "_patience", hasty)
    monkeypatch.setattr(moving, "_WARM_UP", 3)
    build._algorithm.cache_clear()
    yield
    build._algorithm.cache_clear()


def run(data, *flags):
    common = [f"--data={data}", f"--pictures={NAME}", f"--size={SIZE}", f"--out={data / 'out'}"]
    return stopping_table.main([*common, *flags])


def rows(data):
    return read_rows(data / "out", "stopping_table")


def test_poisson_noise_in_8_bits_keeps_its_counts(data):
    noisy, clean = load_pair(data, NAME, 0, 5, "poisson")
    assert noisy.shape == clean.shape == (40, 48, 3)
    levels = np.round(255 * noisy)
    np.testing.assert_allclose(255 * noisy, levels, atol=1e-4)
    assert not np.any(levels % 5)  # whole photons
    for dark in (True, False):
        part = (clean < 0.3) if dark else (clean > 0.5) & (clean < 0.7)
        variance = np.mean((noisy - clean)[part] ** 2)
        assert variance == pytest.approx(5 / 255 * clean[part].mean(), rel=0.15)
    again, _ = load_pair(data, NAME, SIZE, 5, "poisson")
    np.testing.assert_array_equal(again, noisy[4:36, 8:40])


def test_noises_are_read_once_each():
    found = parse_noises(["15", "poisson5", "015", " 50"])
    assert found == {
        "15": NoiseModel("gaussian", 15),
        "poisson5": NoiseModel("poisson", 5),
        "50": NoiseModel("gaussian", 50),
    }
    assert parse_noises(["15"], estimated=True) == {"15, estimated": NoiseModel("gaussian", 15)}


def test_plain_is_the_papers_method_on_the_network_of_fast():
    preset = make_plain_preset(700)
    assert preset.network == find_preset("fast", "denoise").network
    assert preset.counts.steps == 700
    assert preset.optimizer.warmup == 0
    assert preset.optimizer.final_learning_rate is None
    assert (preset.optimizer.learning_rate, preset.average_decay) == (0.01, 0.99)
    assert preset.method == Plain(jitter=1 / 30, jitter_strong=1 / 20)


def test_every_method_brings_its_run_without_a_rule():
    found = find_methods(["plain:wmv", "fast", "plain:emv", "paper"], 9)
    assert list(found) == ["plain:none", "plain:wmv", "fast:none", "fast", "plain:emv", "paper"]
    stops = [method.preset.stop for method in found.values()]
    assert stops == ["none", "wmv", "none", "auto", "emv", "none"]
    assert found["plain:none"].preset.replace(stop="wmv") == found["plain:wmv"].preset


@pytest.mark.slow
def test_a_grid_end_to_end(data, impatient, monkeypatch, capsys):
    """A rule ends its run, the run without it goes on; each fit gets the kind of noise."""
    flags = ("--noises=15,poisson5", "--methods=plain:emv", "--plain_steps=100")
    given = []
    original = tables.restore

    def restore(picture, **options):
        given.append({name: options.get(name) for name in ("noise", "sigma", "gain")})
        return original(picture, **options)

    monkeypatch.setattr(tables, "restore", restore)
    assert run(data, *flags) == 0
    gaussian = {"noise": "gaussian", "sigma": 15, "gain": None}
    assert given == [gaussian] * 2 + [{"noise": "poisson", "sigma": None, "gain": 5}] * 2
    found = rows(data)
    assert [(row["noise"], row["method"], row["rule"]) for row in found] == [
        (noise, f"plain:{rule}", rule) for noise in ("15", "poisson5") for rule in ("none", "emv")
    ]
    for row in found:
        assert row["limit"] == "100"
        assert (int(row["steps"]) < 100) == (row["rule"] == "emv")
        assert 0 < int(row["chosen"]) <= int(row["steps"])
        # Of the average, as the curve is.
        assert float(row["chosen_psnr"]) <= float(row["oracle_psnr"])
    out = capsys.readouterr().out
    assert "| poisson5 | plain:emv | emv | 1 |" in out
    assert "## All noises" in out
    assert (data / "out" / "stopping_table.csv").exists()

    monkeypatch.setattr(tables, "restore", None)  # nothing is done twice
    assert run(data, *flags) == 0
    assert capsys.readouterr().out == out


@pytest.mark.slow
def test_the_level_is_estimated_on_request(data, impatient, monkeypatch):
    given = []
    original = tables.restore

    def restore(picture, **options):
        given.append(options.get("sigma"))
        return original(picture, **options)

    monkeypatch.setattr(tables, "restore", restore)
    flags = ("--noises=15", "--methods=plain:emv", "--plain_steps=100")
    assert run(data, *flags, "--estimate") == 0
    assert run(data, *flags) == 0  # no row of another's
    assert given == [None] * 2 + [15] * 2
    names = [row["noise"] for row in rows(data)]
    assert names == ["15, estimated"] * 2 + ["15"] * 2


def test_the_clean_picture_decides_nothing(data, impatient):
    """Another one changes what is reported, not the fit, its end or its choice."""
    noisy, clean = load_pair(data, NAME, SIZE, 15)
    method = find_methods(["plain:emv"], 100)["plain:emv"]
    first, second = (
        tables.run_method(method, noisy, 0, truth, sigma=15) for truth in (clean, 1 - clean)
    )
    np.testing.assert_array_equal(first[0].image, second[0].image)
    assert first[1]["oracle_psnr"] != second[1]["oracle_psnr"]
    assert first[1]["steps"] < 100
    for name in ("steps", "chosen", "rule"):
        assert first[1][name] == second[1][name]


def test_half_a_fit_is_no_row(data, monkeypatch):
    fit = tables.Restoration(**dict.fromkeys(tables.Restoration._fields))
    monkeypatch.setattr(tables, "restore", lambda *_, **__: fit._replace(interrupted=True))
    assert run(data, "--noises=15") == 130
    assert not (data / "out").exists()


def test_the_targets_cover_both_losses():
    common = {"picture": "image_F16_512rgb", "size": "128", "limit": "100", "seed": "0"}
    common |= {"oracle": "50", "last_psnr": "20", "steps": "60"}
    own = {"chosen_psnr": "30.00", "oracle_psnr": "30.05", "chosen": "50"}
    full = {"oracle_psnr": "30.2", "chosen_psnr": "20", "steps": "100", "chosen": "100"}
    table = tabulate_targets(
        [
            {**common, **own, "noise": noise, "method": "plain:wmv", "rule": "wmv"}
            for noise in ("15", "25")
        ]
        + [
            {**common, **full, "noise": "15", "method": "plain:none", "rule": "none"},
            {**common, **full, "noise": "25", "method": "plain:none", "rule": "none"}
            | {"oracle_psnr": "30.4"},
        ]
    )
    target, wmv, _ = (dict(zip(table.columns, line, strict=True)) for line in table.rows)
    assert list(target.values())[3:8] == [0.10, 0.30, 0.10, 0.30, "25 %"]
    assert list(wmv.values()) == [
        *("plain:wmv", "wmv", 2, "0.050", "0.050 (F16_512, 15)"),
        *("0.300", "0.400 (F16_512, 25)", "17 %", "17 %", "2/2"),
        "lost against a run without a rule, dB, worst of these",
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--noises=poisson"], "--noises=poisson: is not a noise"),
        (["--noises=0"], "--noises=0: is not a noise"),
        (["--noises=256"], "--noises=256: is not a noise"),
        (["--noises="], "--noises: is not a noise"),
        (["--methods="], "--methods: is not a method"),
        (["--methods=plian:wmv"], "--methods=plian: is unknown; did you mean plain?"),
        (["--methods=plain:psnr"], "stop=psnr: is unknown"),
        (["--methods=fast:discrepancy"], "stop=discrepancy: does not suit"),
        (["--methods=fast*4"], "--methods=fast*4: is a mean of fits"),
        (["--plain_steps=0"], "plain_steps"),
        (["--pictures=lena"], "--pictures=lena: is not in"),
    ],
)
def test_mistakes_are_one_line(data, flags, words, capsys):
    assert run(data, *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
