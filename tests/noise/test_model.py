"""The noise: its level as given or estimated, and the damage that demonstrations do."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dip_jax.app.fitting import restore
from dip_jax.app.noise import Noise, estimate_noise, given_noise, measured, undone
from dip_jax.app.pictures import write_picture
from skimage.restoration import estimate_sigma

from dip_jax import clipping
from dip_jax.app import command, degrade, programs
from dip_jax.app.errors import UserError


def level(picture, kind="gaussian"):
    found = estimate_noise(picture, kind)
    assert found.kind == kind
    return found.level


def test_noise_level_is_estimated():
    y, x = np.mgrid[0:96, 0:80] / 96
    smooth = np.stack([0.3 + 0.4 * x, 0.5 + 0.2 * np.sin(5 * y), 0.6 - 0.3 * x * y], axis=2)
    noise = np.random.default_rng(0).normal(size=smooth.shape)
    for sigma in (5, 25):
        noisy = (smooth + sigma / 255 * noise).astype(np.float32)
        assert level(noisy) == pytest.approx(sigma, rel=0.02)
        # What the median of all coefficients says, where none is of texture or clipped.
        expected = 255 * np.mean(estimate_sigma(noisy, channel_axis=2))
        assert level(noisy) == pytest.approx(expected, rel=0.01)
    assert level(np.zeros((1, 7, 3), np.float32)) == 0
    assert level(np.full((9, 9, 1), 0.5, np.float32)) == pytest.approx(0, abs=1e-6)
    for shape in ((9, 9, 1), (16, 16, 3), (2, 2, 1), (2, 5, 3)):
        assert level(np.zeros(shape, np.float32)) == 0
    smooth[..., 2] = 0.3  # a constant channel tells nothing of the others' noise
    noisy = smooth.astype(np.float32)
    noisy[..., :2] += 0.1 * noise[..., :2].astype(np.float32)
    assert level(noisy) == pytest.approx(25.5, rel=0.1)


@pytest.mark.parametrize(("kind", "given"), [("gaussian", 50), ("gaussian", 75), ("poisson", 10)])
def test_clipping_does_not_make_the_estimate_too_low(kind, given):
    """Of a picture that is dark here and light there: much is cut off at either end."""
    y, x = np.mgrid[0:128, 0:128] / 128
    clean = np.stack([0.1 + 0.8 * x, 0.15 + 0.1 * y, 0.8 + 0.15 * np.sin(3 * x)], axis=2)
    add = degrade.add_noise if kind == "gaussian" else degrade.add_poisson_noise
    noisy = add(clean, given, seed=0)
    assert level(noisy, kind) == pytest.approx(given, rel=0.06)
    assert not estimate_noise(noisy, kind).clipped  # the fit's to know
    if kind == "gaussian":
        assert 255 * np.mean(estimate_sigma(noisy, channel_axis=2)) < 0.88 * given


def test_texture_of_a_part_is_no_noise():
    """Of what is left, the smoother half counts: half of this picture is of fine texture."""
    y, x = np.mgrid[0:160, 0:160]
    texture = 0.2 * np.sin(1.9 * x + 0.7 * y) * np.sin(2.1 * y) * (x > 80)
    noisy = (0.5 + texture + 10 / 255 * np.random.default_rng(0).normal(size=x.shape))[..., None]
    assert 255 * estimate_sigma(noisy, channel_axis=2)[0] > 15
    assert level(noisy.astype(np.float32)) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("flat", [0.0, 0.5, 1.0])
def test_flat_parts_tell_nothing_of_the_noise(flat):
    """As of a photo in a white margin, or overexposed: 60 % of this one."""
    x = np.mgrid[0:100, 0:120][1] / 120
    noisy = 0.3 + 0.4 * x + 20 / 255 * np.random.default_rng(0).normal(size=x.shape)
    noisy[:60] = flat
    assert level(noisy[..., None].astype(np.float32)) == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("paper", [0.0, 0.9, 1.0])
def test_a_drawing_has_no_noise(paper):
    """Sharp edges on flat paper, such as letters; once there is noise, it is seen."""
    letters = np.random.default_rng(0).random((40, 40)) < 0.06
    drawing = np.where(np.kron(letters, np.ones((3, 3))), 0.4, paper)[..., None]
    assert level(drawing.astype(np.float32)) == 0
    assert level(degrade.add_noise(drawing, 8, seed=0)) > 4
    dense = np.where(np.random.default_rng(0).random((40, 40)) < 0.3, 0.4, paper)
    everywhere = np.kron(dense, np.ones((3, 3)))[..., None]  # nowhere flat: unsure, not clean
    assert level(degrade.add_noise(everywhere, 2, seed=0)) > 1


def test_dark_and_light_parts_have_a_say_each():
    """Noise that grows with the brightness: not that of the darkest, smoothest part alone."""
    x = np.mgrid[0:200, 0:200][1] / 200
    noise = np.random.default_rng(0).normal(size=x.shape)
    noisy = (0.2 + 0.6 * x + (15 + 10 * x) / 255 * noise)[..., None]
    assert level(noisy.astype(np.float32)) == pytest.approx(20, rel=0.06)


def test_the_level_of_mere_noise_ends_at_255():
    scattered = np.random.default_rng(0).integers(0, 2, (64, 64, 1)).astype(np.float32)
    assert level(scattered) == 255


def test_few_photons_are_counted_where_nothing_is_clipped():
    """The level of Poisson noise is one of variance."""
    x = np.mgrid[0:128, 0:128][1] / 128
    dim = (0.1 + 0.2 * x)[..., None]
    assert level(degrade.add_poisson_noise(dim, 5, seed=0), "poisson") == pytest.approx(5, rel=0.1)
    night = np.concatenate([np.full((256, 128, 1), 0.001), dim])  # a photon in five pixels
    noisy = degrade.add_poisson_noise(night, 5, seed=0)
    assert level(noisy, "poisson") == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("gain", [2.0, 8.0])
def test_the_gain_is_estimated(gain):
    y, x = np.mgrid[0:128, 0:128] / 128
    smooth = np.stack([0.2 + 0.6 * x, 0.3 + 0.4 * y, 0.5 + 0.2 * np.sin(3 * x)], axis=2)
    noisy = degrade.add_poisson_noise(smooth, gain, seed=0)
    assert noisy.mean() == pytest.approx(smooth.mean(), rel=0.01)
    assert np.var(noisy - smooth) == pytest.approx(gain / 255 * smooth.mean(), rel=0.1)
    assert level(noisy, "poisson") == pytest.approx(gain, rel=0.15)
    assert level(np.zeros((20, 20, 3), np.float32), "poisson") == 0


def test_the_deviation_follows_the_brightness_of_poisson_noise():
    y = jnp.concatenate([jnp.full((20, 10, 3), 0.2), jnp.full((20, 10, 3), 0.8)], axis=1)
    found = Noise("poisson", 5.1).deviation(y)
    assert found.shape == y.shape
    np.testing.assert_allclose(found[:, :7], (0.02 * 0.2) ** 0.5, rtol=1e-4)
    np.testing.assert_allclose(found[:, 13:], (0.02 * 0.8) ** 0.5, rtol=1e-4)
    np.testing.assert_allclose(Noise("gaussian", 25.5).deviation(y), 0.1, rtol=1e-5)
    assert np.isfinite(Noise("poisson", 5.0).deviation(jnp.full((1, 1, 1), -0.1))).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("poisson", "denoise", 25.0, None), "sigma=25.0: has no meaning for poisson noise"),
        (("gaussian", "denoise", None, 5.0), "gain=5.0: has no meaning for gaussian noise"),
        (("gaussian", "denoise", 0.0, None), "sigma=0.0: must be from 0.001"),
        (("poisson", "denoise", None, 256), "gain=256: must be from 0.001 to 255"),
        (("poisson", "inpaint", None, 5.0), "gain=5.0: has no meaning for inpaint"),
        (("uniform", "denoise", None, None), "noise=uniform: is unknown; there are gaussian"),
    ],
)
def test_noise_that_makes_no_sense(arguments, words):
    with pytest.raises(UserError, match=words):
        given_noise(*arguments)
    with pytest.raises(UserError, match="--" + words.split("=", maxsplit=1)[0]):
        given_noise(*arguments, "--")


def test_given_noise():
    assert given_noise("poisson", "denoise", None, 5) == Noise("poisson", 5.0)
    assert given_noise("gaussian", "denoise", np.float32(7), None) == Noise("gaussian", 7.0)
    assert given_noise("gaussian", "inpaint", None, None) is None


@pytest.mark.parametrize("stop", ["r2r", "held_out", "none"])
def test_poisson_noise_end_to_end(stop, small_presets, tmp_path, capsys):
    clean = np.full((40, 36, 3), 0.6)
    write_picture(tmp_path / "p.png", clean)
    flags = [f"--image={tmp_path / 'p.png'}", f"--out={tmp_path / 'out'}", f"--stop={stop}"]
    assert command.main([*flags, "--noise=poisson", "--add_noise", "--gain=9", "--steps=60"]) == 0
    out = capsys.readouterr().out
    assert "with Poisson noise of gain 9 added" in out
    assert "noise: poisson, gain 9.0 of 255 (as given), cut off at white" in out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["picture"]["noise"] == {
        "kind": "poisson",
        "level": 9.0,
        "clipped": True,
    }
    assert record["scores"]["restored"]["psnr"] > record["scores"]["degraded"]["psnr"] + 3


def test_noise_matters_to_the_fit(small_presets):
    y = np.random.default_rng(0).random((20, 20, 1), np.float32)
    options = {"steps": 2, "progress": False}
    images = [
        restore(y, **options, **given).image
        for given in ({"sigma": 20}, {"noise": "poisson", "gain": 9}, {"noise": "poisson"})
    ]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


def dim(sigma, clip):
    """A dim picture whose noise of ``sigma`` was cut off at 0; or noise that fades with it."""
    y, x = np.mgrid[0:64, 0:64] / 64
    clean = 0.1 * np.stack([x, y, x * y], axis=2)
    if clip:
        return degrade.add_noise(clean, sigma, seed=0)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return np.abs(clean * (1 + 0.2 * noise)).astype(np.float32)  # as a camera's: black is clean


def test_clipped_noise_is_told_by_its_blacks():
    given = Noise("gaussian", 25.0)
    assert given.seen_to_be_clipped(dim(25, clip=True)).clipped
    assert not given.seen_to_be_clipped(dim(25, clip=False)).clipped
    framed = dim(25, clip=False)
    framed[:10] = framed[-10:] = 0  # black by itself
    framed[:, :10] = 1
    for level in (8, 15, 25):
        assert not Noise("gaussian", level).seen_to_be_clipped(framed).clipped
    framed = dim(25, clip=True)
    framed[:20] = 0
    assert given.seen_to_be_clipped(framed).clipped
    assert not Noise("poisson", 5.0).seen_to_be_clipped(dim(25, clip=True)).clipped
    bright = np.full((64, 64, 3), 0.9, np.float32)
    photons = degrade.add_poisson_noise(bright, 20, seed=0)
    assert Noise("poisson", 20.0).seen_to_be_clipped(photons).clipped
    assert not Noise("poisson", 20.0).seen_to_be_clipped(0.5 * photons).clipped
    assert not Noise("gaussian", 0.0).seen_to_be_clipped(dim(0, clip=True)).clipped


def test_the_deviation_of_clipped_noise_is_that_of_what_is_left():
    y = degrade.add_noise(np.zeros((64, 64, 1)), 50, seed=0)
    noise = Noise("gaussian", 50.0, clipped=True)
    assert float(noise.deviation(jnp.asarray(y)).mean()) == pytest.approx(y.std(), rel=0.08)
    grey = jnp.full((16, 16, 1), 0.5)
    assert float(noise.deviation(grey).mean()) == pytest.approx(50 / 255, rel=0.05)
    photons = degrade.add_poisson_noise(np.full((64, 64, 1), 0.95, np.float32), 20, seed=0)
    left = Noise("poisson", 20.0, clipped=True).deviation(jnp.asarray(photons))
    assert float(left.mean()) == pytest.approx(photons.std(), rel=0.08)


def test_of_poisson_noise_white_alone_is_cut_off():
    truth = np.concatenate([np.full((64, 64, 1), b, np.float32) for b in (0.02, 0.5, 0.97)], 1)
    y = jnp.asarray(degrade.add_poisson_noise(truth, 15, seed=0))
    noise = Noise("poisson", 15.0, clipped=True)
    deviation, cut = noise.before_clipping(y)
    inside = np.s_[:, 68:188]
    expected = np.sqrt(15 / 255 * truth)
    assert float(abs(deviation - expected)[inside].mean()) < 0.02
    np.testing.assert_array_equal(cut != 0, y >= 1)
    whole = clipping.redraw(jax.random.key(0), y, deviation, cut)
    parts = np.split(np.asarray(whole - truth), 3, axis=1)
    assert max(abs(part.mean()) for part in parts) < 0.01
    law = noise.clip_law()
    means = measured(law, jnp.asarray(truth))
    np.testing.assert_allclose(undone(law, means), truth, atol=2e-3)
    np.testing.assert_allclose(means[:, :128], truth[:, :128], atol=0.01)


def test_clipped_or_not_a_picture_compiles_nothing(small_presets):
    less = {"steps": 2, "progress": False}
    options = less | {"sigma": 25.0}
    for reference in (None, np.full((40, 40, 1), 0.1, np.float32)):
        clipped, whole = (
            degrade.add_noise(np.full((40, 40, 1), grey), sigma, seed=0)
            for grey, sigma in ((0.1, 25.0), (0.5, 5.0))
        )
        assert restore(clipped, reference=reference, **options).noise.clipped
        before = programs.compilations("cpu")
        assert not restore(whole, reference=reference, **options).noise.clipped
        restore(whole, noise="poisson", gain=5.0, reference=reference, **less)
        assert programs.compilations("cpu") == before


def test_hiding_assumes_no_noise_level(small_presets):
    """One that is told is used; an estimate may be of noise of another kind."""
    y = degrade.add_noise(np.full((20, 20, 1), 0.5), 60, seed=0)
    options = {"steps": 2, "progress": False, "hide": 0.5}
    assert restore(y, **options).noise is None
    assert restore(y, sigma=60.0, **options).noise.level == 60
