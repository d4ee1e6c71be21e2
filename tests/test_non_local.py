"""The second look at a restored picture, against a plain computation of its formula."""

import jax
import numpy as np
import pytest

from dip_jax import non_local
from dip_jax.noise import NoiseModel, color, kernel_transfer
from dip_jax.wiener import filter_windows

PATCH, REACH, STRIDE, COUNT, SHARE = 5, 18, 4, 64, 0.8
NOISE = NoiseModel("gaussian", 20.0)
RNG = np.random.default_rng(0)
CLEAN = (0.5 + 0.3 * np.sin(np.add.outer(np.arange(20), 2 * np.arange(24)) / 3)).astype(np.float32)
CLEAN = CLEAN[:, :, None]
NOISY = (CLEAN + 20 / 255 * RNG.standard_normal(CLEAN.shape)).astype(np.float32)
# A restored picture with errors of its own.
RESTORED = (CLEAN + 0.03 * RNG.standard_normal(CLEAN.shape)).astype(np.float32)


def starts(length):
    last = length - PATCH
    return sorted({*range(0, last + 1, STRIDE), last})


def combine(y, pilot, deviation, guide):
    """Returns one pass over a channel, by loops and the formula as it is published.

    Alike patches are those of ``guide``.
    """
    height, width = y.shape
    total, weights = np.zeros(y.shape), np.zeros(y.shape)
    places = [(i, j) for i in range(height - PATCH + 1) for j in range(width - PATCH + 1)]

    def cut(image, place):
        return image[place[0] : place[0] + PATCH, place[1] : place[1] + PATCH].ravel()

    for row in starts(height):
        for column in starts(width):
            own = cut(guide, (row, column))
            near = [p for p in places if max(abs(p[0] - row), abs(p[1] - column)) <= REACH]
            near.sort(key=lambda p: np.sum((cut(guide, p) - own) ** 2))
            group = near[:COUNT]
            noisy, x = (np.array([cut(image, p) for p in group], float) for image in (y, pilot))
            noise = np.diag([np.sum(cut(deviation, p) ** 2) for p in group])
            means = [a.mean(axis=0) for a in (noisy, x)]
            x -= means[1]
            weight = x @ x.T @ np.linalg.inv(x @ x.T + noise)
            estimates = weight @ (noisy - means[0]) + means[0]
            for place, estimate, own_weight in zip(group, estimates, weight, strict=True):
                importance = 1 / (np.sum(own_weight**2) + 1 / len(group))
                part = np.s_[place[0] : place[0] + PATCH, place[1] : place[1] + PATCH]
                total[part] += importance * estimate.reshape(PATCH, PATCH)
                weights[part] += importance
    return total / weights


def refine_by_formula(y, restored, deviation, basis):
    """Returns two passes over the channels in a basis, found alike in the first of them."""
    noisy, first = (np.einsum("ta,hwa->thw", basis, image) for image in (y, restored))
    spread = np.sqrt(np.einsum("ta,hwa->thw", basis**2, deviation**2))
    pilot = first
    for _ in range(2):
        found = [combine(noisy[t], pilot[t], spread[t], pilot[0]) for t in range(len(basis))]
        pilot = SHARE * np.array(found) + (1 - SHARE) * first
    return np.einsum("ta,thw->hwa", basis, pilot)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [NOISE, NoiseModel("poisson", 10.0)])
def test_two_passes_are_those_of_the_formula(noise):
    deviation = np.asarray(noise.without_clipping(NOISY, RESTORED)[1])
    expected = refine_by_formula(NOISY, RESTORED, deviation, np.eye(1))
    np.testing.assert_allclose(non_local.refine(NOISY, RESTORED, noise), expected, atol=2e-4)


@pytest.mark.slow
def test_colors_are_refined_as_luma_and_differences():
    size = (14, 15, 3)
    tint = np.array([1.0, 0.8, 0.6], np.float32)
    y = CLEAN[:14, :15] * tint + 0.05 * RNG.standard_normal(size).astype(np.float32)
    restored = CLEAN[:14, :15] * tint + 0.02 * RNG.standard_normal(size).astype(np.float32)
    luma, red_blue, green = np.ones(3), np.array([1, 0, -1]), np.array([1, -2, 1])
    basis = np.array([axis / np.linalg.norm(axis) for axis in (luma, red_blue, green)])
    expected = refine_by_formula(y, restored, np.full(size, 0.05), basis)
    refined = non_local.refine(y, restored, NoiseModel("gaussian", 0.05 * 255))
    np.testing.assert_allclose(refined, expected, atol=3e-4)


def test_clipped_noise_leaves_white_white():
    clean = np.full(CLEAN.shape, 0.98, np.float32)
    whole = clean + 0.1 * RNG.standard_normal(clean.shape).astype(np.float32)
    noise = NoiseModel("gaussian", 25.5, clipped=True)
    y = np.clip(whole, 0, 1)
    refined = np.asarray(non_local.refine(y, clean, noise))
    assert y.mean() < 0.96
    assert refined.mean() == pytest.approx(0.98, abs=0.01)


def test_weak_noise_on_hard_edges_is_not_lost_to_rounding():
    clean = np.kron(RNG.random((5, 6, 3)), np.ones((4, 4, 1))).astype(np.float32)
    noisy = clean + 0.2 / 255 * RNG.standard_normal(clean.shape).astype(np.float32)
    refined = non_local.refine(noisy, clean, NoiseModel("gaussian", 0.2))
    np.testing.assert_allclose(refined, clean, atol=1.5 / 255)


def error(image):
    return float(np.sqrt(np.mean((np.asarray(image) - CLEAN) ** 2)))


def test_a_repeated_pattern_gains():
    assert error(non_local.refine(NOISY, RESTORED, NOISE)) < 0.6 * error(RESTORED)


@pytest.mark.slow
def test_channels_that_are_equal_are_refined_alike():
    color_picture = [np.repeat(image, 3, axis=2) for image in (NOISY, RESTORED)]
    alike = non_local.refine(*color_picture, NOISE)
    np.testing.assert_allclose(alike[:, :, 0], alike[:, :, 2], atol=1e-5)
    two = non_local.refine(*(image[:, :, :2] for image in color_picture), NOISE)
    gray = non_local.refine(NOISY, RESTORED, NOISE)
    np.testing.assert_allclose(two, np.repeat(gray, 2, axis=2), atol=1e-4)


def test_noise_that_all_channels_share_is_gray():
    kernel = np.full((1, 1, 3, 3), 3**-0.5, np.float32)  # each channel is the sum of all
    noise = NoiseModel("measured", 20.0, False, np.full((9, 3), 20 / 255, np.float32), kernel)
    colored = [image + np.array([0.1, 0, -0.1], np.float32) for image in (NOISY, RESTORED)]
    refined = np.asarray(non_local.refine(*colored, noise))
    # The colours have no noise, so the noisy picture's are kept, and are the same everywhere.
    np.testing.assert_allclose(refined[:, :, 0] - refined[:, :, 2], 0.2, atol=1e-3)
    draws = jax.random.normal(jax.random.key(0), (256, 256, 3))
    drawn = np.asarray(color(draws, kernel_transfer(kernel, 256, 256))).reshape(-1, 3)
    np.testing.assert_allclose(np.cov(drawn.T), noise.channel_covariance(3), atol=0.02)


def test_what_is_not_known_stays_and_is_not_looked_at():
    known = np.ones(CLEAN.shape, np.float32)
    known[:7, :6] = 0
    other = np.where(known > 0, NOISY, 0.0).astype(np.float32)
    refined = np.asarray(non_local.refine(NOISY, RESTORED, NOISE, known))
    np.testing.assert_array_equal(refined, non_local.refine(other, RESTORED, NOISE, known))
    # By way of the basis of colours, whose rounding is seen.
    np.testing.assert_allclose(refined[known == 0], RESTORED[known == 0], atol=1e-6)
    assert np.abs(refined - RESTORED)[known > 0].mean() > 0.005


@pytest.mark.parametrize("shape", [(4, 30, 1), (5, 5, 3), (6, 9, 1)])
def test_small_pictures_come_back_finite(shape):
    """Fewer patches than are asked for, or none."""
    y = RNG.random(shape, np.float32)
    refined = np.asarray(non_local.refine(y, y, NOISE))
    assert refined.shape == shape
    assert np.isfinite(refined).all()


def test_no_patch_that_is_known_leaves_the_picture():
    known = np.zeros(CLEAN.shape, np.float32)
    known[::4] = 1
    refined = non_local.refine(NOISY, RESTORED, NOISE, known)
    np.testing.assert_allclose(refined, RESTORED, atol=1e-6)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="must be"):
        non_local.refine(NOISY, RESTORED[:10], NOISE)
    whole = (255 * CLEAN).astype(np.uint8)
    with pytest.raises(ValueError, match="y is of uint8: must be float"):
        non_local.refine(whole, whole, NOISE)


@pytest.mark.slow
def test_every_noise_shares_the_program(monkeypatch):
    traced = []
    combine = non_local.combine_patches

    def count(*args):
        traced.append(1)
        return combine(*args)

    monkeypatch.setattr(non_local, "combine_patches", count)
    picture = NOISY[:12, :13]  # of a size that no other test has
    kernel = np.ones((1, 1, 1, 1), np.float32)
    deviation = np.full((9, 1), 0.02, np.float32)
    for noise in (
        NOISE,
        NoiseModel("gaussian", 5.0, clipped=True),
        NoiseModel("poisson", 3.0),
        NoiseModel("measured", 5.0, False, deviation, kernel),
    ):
        non_local.refine(picture, picture, noise)
    assert len(traced) == 2  # the passes, once


def test_correlated_noise_is_treated_with_care():
    kernel = np.ones((1, 1, 1, 1), np.float32)

    def measured(level):
        table = np.full((9, 1), level / 255, np.float32)
        return NoiseModel("measured", level, False, table, kernel)

    def change(noise):
        """What the patches add to the mean of the given and the filtered picture."""
        before = RESTORED
        if noise.kernel is not None:
            before = (np.asarray(filter_windows(NOISY, RESTORED, noise)) + RESTORED) / 2
        return np.abs(np.asarray(non_local.refine(NOISY, RESTORED, noise)) - before).mean()

    assert 0 < change(measured(4.0)) < 0.7 * change(NOISE._replace(level=4.0))
    assert 0 < change(measured(8.0)) < 0.5 * change(measured(4.0))
    assert change(measured(10.0)) == change(measured(20.0)) == 0
