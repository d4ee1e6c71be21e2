"""Protocols against published figures, on the standard pictures (DIP_JAX_DATA)."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import damage, metrics
from dip_jax.app.files import read_picture
from dip_jax.app.files.masks import Marks, find_mask
from dip_jax.app.recipe import degrade
from dip_jax.metrics import psnr_8_bit


@pytest.mark.parametrize(
    ("clean", "noisy", "expected"),
    [
        ("image_House256rgb", "sigma25/hill", 20.30),
        ("image_F16_512rgb", "sigma25/F16", 20.35),
        ("image_House256rgb", "sigma50/hill", 14.72),
    ],
)
def test_psnr_of_the_authors_noisy_files(data_folder, clean, noisy, expected):
    """RGB, 8-bit, whole picture: the figures of their table."""
    reference = read_picture(data_folder / "set9" / f"{clean}.png").image
    image = read_picture(data_folder / "set9_noisy" / f"{noisy}_noisy.png").image
    assert psnr_8_bit(image, reference) == pytest.approx(expected, abs=0.006)


def test_our_noise_has_their_level(data_folder):
    reference = read_picture(data_folder / "set9" / "image_House256rgb.png").image
    noisy = damage.add_noise(reference, 25, seed=0)
    assert psnr_8_bit(noisy, reference) == pytest.approx(20.30, abs=0.05)


@pytest.mark.slow
def test_super_resolution_protocol_on_set5(data_folder):
    """Lanczos down, bicubic up, luma, 4 pixels off, centre crop: 28.72 dB on average."""
    scores = []
    for path in sorted((data_folder / "Set5").glob("*.png")):
        image = read_picture(path).image
        height, width = (size - size % 32 for size in image.shape[:2])
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        large = image[top : top + height, left : left + width]
        small = np.rint(np.clip(degrade.shrink(large, 4), 0, 1) * 255) / 255
        back = np.rint(degrade.enlarge(small.astype(np.float32), 4) * 255) / 255
        scores.append(metrics.psnr_luma(jnp.asarray(back, jnp.float32), jnp.asarray(large)))
    assert np.mean(scores) == pytest.approx(28.72, abs=0.02)


@pytest.mark.parametrize(("name", "hidden"), [("kate", 0.043), ("vase", None), ("library", None)])
def test_the_papers_masks_are_read(data_folder, name, hidden):
    folder = data_folder / "original_examples" / "inpainting"
    picture = read_picture(folder / f"{name}.png")
    mask, remarks = find_mask(picture, Marks(str(folder / f"{name}_mask.png")))
    assert len(remarks) == 1  # what is filled
    assert 0.01 < np.mean(mask == 0) < 0.5
    if hidden:
        assert np.mean(mask == 0) == pytest.approx(hidden, abs=0.002)
