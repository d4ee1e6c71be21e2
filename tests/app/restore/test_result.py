"""Several fits of one picture."""

import csv
import json

import numpy as np
import pytest

from dip_jax.app import restore
from dip_jax.app.cli import command
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import write_picture
from dip_jax.app.files.results import UNCERTAINTY
from dip_jax.app.restore import session

PICTURE = np.random.default_rng(0).random((12, 17, 3), np.float32)
HOLED = 0.4 + 0.2 * np.random.default_rng(0).random((40, 36, 3), np.float32)  # clips nowhere
MASK = np.ones((40, 36))
MASK[8:30, 5:8] = 0
OPTIONS = {"task": "reconstruct", "steps": 3, "progress": False}
FILLING = OPTIONS | {"task": "inpaint", "mask": MASK}


@pytest.fixture(autouse=True)
def small(tiny_presets):
    pass


@pytest.fixture
def combine(monkeypatch):
    """Restores with members that are given, in place of fits."""

    def run(fit, members):
        monkeypatch.setattr(
            session.PictureRun, "run_member", lambda self, tile, member, *_, **__: fit(member)
        )
        return restore(PICTURE, members=members, **OPTIONS)

    return run


@pytest.mark.slow
def test_members_are_the_single_runs_of_the_next_seeds():
    together = restore(PICTURE, seed=5, members=3, **OPTIONS)
    singles = [restore(PICTURE, seed=seed, **OPTIONS) for seed in (5, 6, 7)]
    images = np.stack([single.image for single in singles])
    np.testing.assert_allclose(together.image, images.mean(axis=0), rtol=1e-5)
    squares = images.var(axis=0, ddof=1).mean(axis=2)
    np.testing.assert_allclose(together.uncertainty, np.sqrt(squares), rtol=1e-3, atol=1e-7)
    assert together.members == 3
    assert singles[0].uncertainty is None
    for member, single in enumerate(singles):
        own = together.trace["loss"][together.trace["member"] == member]
        np.testing.assert_array_equal(own, single.trace["loss"])


@pytest.mark.slow
def test_each_member_joins_the_known_pixels_by_itself():
    """The pixels held out of one are fitted by the others."""
    together = restore(HOLED, members=2, **FILLING)
    singles = [restore(HOLED, seed=seed, **FILLING) for seed in (0, 1)]
    for name in ("image", "raw"):
        mean = np.mean([getattr(single, name) for single in singles], axis=0)
        np.testing.assert_allclose(getattr(together, name), mean, rtol=1e-4, atol=1e-6)
    squares = np.var([single.image for single in singles], axis=0, ddof=1).mean(axis=2)
    np.testing.assert_allclose(together.uncertainty, np.sqrt(squares), rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_members_that_differ_in_few_pixels_are_kept(combine):
    """What is fitted tells who went astray, not the hole of one pixel."""
    first = restore(PICTURE, **OPTIONS)
    errors = np.zeros((3, *first.raw.shape), np.float32)
    errors[:, 3, 4, 0] = 0.1, 0.11, -0.3
    near = [first.raw + 0.01 * (number - 1) for number in range(3)]

    def fit(member):
        return first._replace(raw=near[member], image=first.image + errors[member])

    result = combine(fit, 3)
    assert result.members == 3
    np.testing.assert_allclose(result.image, first.image + errors.mean(axis=0), atol=1e-6)


@pytest.mark.slow
def test_members_that_diverged_are_left_out(combine):
    first = restore(PICTURE, **OPTIONS)
    bad = first._replace(raw=np.full_like(first.raw, np.nan))  # of a tile without holes

    result = combine(lambda member: (first, bad, first)[member], 3)
    assert result.members == 2
    np.testing.assert_allclose(result.raw, first.raw, rtol=1e-6)
    lost = combine(lambda member: bad, 2)
    assert lost.members == 0
    assert lost.uncertainty is None
    assert np.isnan(lost.raw).all()
    assert lost.raw.shape == first.raw.shape


@pytest.mark.slow
def test_the_last_seed_is_followed_by_the_first():
    restore(PICTURE, seed=2**32 - 1, members=2, **OPTIONS)


@pytest.mark.slow
def test_known_pixels_are_certain():
    result = restore(HOLED, members=2, **FILLING)
    assert not result.uncertainty[MASK == 1].any()
    assert result.uncertainty[MASK == 0].all()
    assert restore(HOLED, members=2, keep_known=False, **FILLING).uncertainty.all()


@pytest.mark.parametrize(("finished", "members"), [(2, 2), (1, 1)])
def test_an_interrupt_leaves_the_members_that_are_finished(finished, members, monkeypatch):
    original, calls = session.run_fit, []

    def fit(*args, **options):
        calls.append(1)
        outcome, carried = original(*args, **options)
        return outcome._replace(interrupted=len(calls) == finished + 1), carried

    monkeypatch.setattr(session, "run_fit", fit)
    result = restore(PICTURE, members=4, **OPTIONS)
    assert result.interrupted
    assert len(calls) == finished + 1
    assert result.members == members
    assert set(result.trace.get("member", [0])) == set(range(members))


def test_an_interrupt_before_the_first_picture_of_a_member(combine):
    first = restore(PICTURE, **OPTIONS)

    def fit(member):
        if member:
            raise KeyboardInterrupt
        return first

    result = combine(fit, 3)
    assert result.interrupted
    np.testing.assert_array_equal(result.image, first.image)
    with pytest.raises(KeyboardInterrupt):
        combine(lambda member: fit(1), 3)


@pytest.mark.slow
def test_the_command_writes_the_uncertainty(tmp_path, capsys):
    write_picture(tmp_path / "p.png", PICTURE)
    flags = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", "--steps=2"]
    flags += ["--task=reconstruct", f"--reference={tmp_path / 'p.png'}"]
    assert command.main([*flags, "--members=3"]) == 0
    out = capsys.readouterr().out
    assert "the picture combines 3 fits" in out
    assert "rank correlation" in out
    folder = tmp_path / "out"
    assert {*UNCERTAINTY} < {path.name for path in folder.iterdir()}
    deviation = np.load(folder / UNCERTAINTY[0])
    assert deviation.shape == PICTURE.shape[:2]
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["members"] == record["settings"]["counts"]["members"] == 3
    assert -1 <= record["uncertainty_rank_correlation"] <= 1
    with (folder / "trace.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["member"], row["step"]) for row in rows] == [
        (member, step) for member in "012" for step in "12"
    ]


def test_members_out_of_range():
    with pytest.raises(UserError, match="members=0: must be at least 1"):
        restore(PICTURE, members=0)
