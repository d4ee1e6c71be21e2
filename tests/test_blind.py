"""The shape of a blur, found from the blurred picture alone."""

import numpy as np
import pytest

from dip_jax import damage
from dip_jax.blind import estimate_kernel

HOOK = np.zeros((9, 9))
HOOK[1:8, 3] = 1.0
HOOK[7, 3:8] = 2.0
HOOK /= HOOK.sum()


def draw_scene(side: int, seed: int = 0) -> np.ndarray:
    """A picture of rectangles, float32 ``[side, side, 1]``."""
    rng = np.random.default_rng(seed)
    scene = np.full((side, side, 1), 0.5, np.float32)
    for _ in range(40):
        top, left = rng.integers(0, side - 6, 2)
        height, width = rng.integers(5, side // 3, 2)
        scene[top : top + height, left : left + width] = rng.random()
    return scene


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """The largest normalised correlation over shifts."""
    shape = tuple(2 * side for side in a.shape)
    product = np.fft.rfft2(a, shape) * np.fft.rfft2(b, shape).conj()
    return np.fft.irfft2(product, shape).max() / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.fixture(scope="module")
def blurred() -> np.ndarray:
    return damage.add_noise(damage.blur(draw_scene(96), HOOK), 1.0, 0)


@pytest.fixture(scope="module")
def found(blurred) -> np.ndarray:
    return estimate_kernel(blurred, 9)


@pytest.mark.slow
def test_the_kernel_is_found_and_centred(found):
    assert found.shape == (9, 9)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert similarity(found, HOOK) > 0.9
    # Not mirrored: of a hook, the mirror image is another kernel.
    assert similarity(found, HOOK[::-1, ::-1]) < 0.8
    centre = [float(found.sum(axis) @ np.arange(9)) for axis in (1, 0)]
    np.testing.assert_allclose(centre, 4, atol=0.6)


@pytest.mark.slow
def test_brightness_contrast_and_channels_do_not_matter(blurred, found):
    other = np.repeat(0.2 + 0.4 * blurred, 3, axis=2)
    assert similarity(estimate_kernel(other, 9), found) > 0.99


@pytest.mark.slow
def test_of_a_large_picture_the_middle_counts(blurred, found, monkeypatch):
    monkeypatch.setattr("dip_jax.blind._LARGEST_SIDE", 96)
    wide = np.pad(blurred, ((10, 10), (30, 30), (0, 0)), constant_values=7.0)
    np.testing.assert_allclose(estimate_kernel(wide, 9), found)


@pytest.mark.parametrize(
    ("picture", "size", "words"),
    [
        (draw_scene(32), 4, "size=4: must be odd and at least 3"),
        (draw_scene(32), 1, "size=1: must be odd"),
        (draw_scene(32), 9.0, r"size=9\.0: must be odd"),
        (draw_scene(32), 17, "size=17: must be at most 16, half"),
        (np.ones((32, 32)), 5, "no contrast"),
        (np.full((32, 32), np.nan), 5, "not finite"),
        (np.ones(32), 5, "must be .h, w. or .h, w, c."),
    ],
)
def test_refusals(picture, size, words):
    with pytest.raises(ValueError, match=words):
        estimate_kernel(picture, size)
