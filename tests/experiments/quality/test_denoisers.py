"""The classical methods."""

import numpy as np
import pytest

from experiments.quality import denoisers


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["nlm", "tv", "bm3d", "bm3d_unclipped"])
def test_classical_methods_take_grey_and_coloured_pictures(method, channels):
    if method.startswith("bm3d"):
        pytest.importorskip("bm3d", reason="BM3D is not installed (extra tables)")
    clean = np.full((32, 32, channels), 0.5, np.float32)
    clean[8:24, 8:24] = 0.75
    noise = 0.1 * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    image, _ = denoisers.denoise(method, clean + noise, 25.5, 0, clean)
    assert image.shape == clean.shape
    assert np.mean((image - clean) ** 2) < 0.5 * np.mean(noise**2)
