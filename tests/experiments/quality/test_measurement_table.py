"""The table of measurements: what the instruments see, the methods' rows, and refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dip_jax
from dip_jax import operators
from experiments.quality import measurement_table
from tests.experiments.quality.common import read_rows


@pytest.mark.slow
@pytest.mark.parametrize("measurement", measurement_table._CASES)
def test_measurements_are_of_the_picture_and_noisy(measurement):
    make = measurement_table._CASES[measurement]
    clean, noisy = (make("phantom", noise, jax.random.key(0)) for noise in (0.0, 0.01))
    np.testing.assert_allclose(clean.y, clean.operator(clean.truth), atol=1e-5)
    difference = np.abs(np.asarray(noisy.y - clean.y))
    assert 0 < np.sqrt(np.mean(difference**2)) < 0.05 * np.abs(clean.y).max()
    assert jnp.broadcast_shapes(noisy.known.shape, noisy.y.shape) == noisy.y.shape
    assert measurement_table._score(noisy.plain, noisy.truth) > 5


@pytest.mark.slow
def test_unmeasured_lines_hold_no_noise():
    case = measurement_table._CASES["mri"]("phantom", 0.5, jax.random.key(0))
    unseen = np.asarray(case.known)[0, :, 0] == 0
    assert unseen.sum() == 96
    assert not np.asarray(case.y)[:, unseen].any()


@pytest.mark.slow
def test_total_variation_finds_a_square_from_few_products():
    truth = jnp.zeros((16, 16, 1)).at[4:12, 6:14].set(0.8)
    operator = jax.tree_util.Partial(
        operators.compress, matrix=operators.sensing_matrix(jax.random.key(0), 150, truth.shape)
    )
    known = jnp.ones(150)
    case = measurement_table.Case(truth, operator, operator(truth), truth, known, 0 * known, 0.0)
    found = measurement_table._minimize_total_variation(case, 1e-4)
    assert measurement_table._score(found, truth) > 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measurement", "methods"),
    [("mri", ["plain", "tv", "deep_decoder"]), ("sensing", ["plain", "deep_decoder"])],
)
def test_each_method_gets_a_row(measurement, methods, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement_table, "WEIGHTS", np.array([1e-2]))
    monkeypatch.setattr(measurement_table, "ITERATIONS", 2)
    flags = ["--pictures=phantom", f"--measurements={measurement}", f"--out={tmp_path}"]
    code = measurement_table.main([*flags, f"--methods={','.join(methods)}", "--steps=3"])
    assert code == 0
    rows = {row["method"]: row for row in read_rows(tmp_path, "measurement_table")}
    assert list(rows) == methods
    assert rows["deep_decoder"]["steps"] == "3"
    assert all(float(row["psnr"]) > 3 for row in rows.values())
    assert (tmp_path / "measurement_table.md").exists()


@pytest.mark.slow
def test_our_fit_is_refined(tmp_path, monkeypatch):
    def fit(case, *others):
        return [case.plain], {"steps": "0"}

    quick = functools.partial(dip_jax.refine_measured, rounds=4)
    monkeypatch.setattr(measurement_table, "_fit", fit)
    monkeypatch.setattr(dip_jax, "refine_measured", quick)
    flags = ["--pictures=phantom", "--measurements=sensing", "--methods=skip,ours"]
    assert measurement_table.main([*flags, f"--out={tmp_path}"]) == 0
    rows = {row["method"]: float(row["psnr"]) for row in read_rows(tmp_path, "measurement_table")}
    assert rows["ours"] > rows["skip"] + 1


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--pictures=lena", "--pictures=lena: must be of phantom, camera"),
        ("--measurements=pet", "--measurements=pet: must be of mri, ct, sensing"),
        ("--methods=bm3d", "--methods=bm3d: must be of plain, tv, skip, ours"),
    ],
)
def test_refusals(flag, words, capsys, tmp_path):
    assert measurement_table.main([flag, f"--out={tmp_path / 'out'}"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert measurement_table.main(["--methods=deepinv", f"--out={tmp_path / 'out'}"]) == 2
    assert "deepinv is not installed; run pip install '.[deepinv]'" in capsys.readouterr().err
