"""A picture of slow shading with edges, and noise for it."""

import numpy as np
from scipy.ndimage import gaussian_filter

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[0:160, 0:160] / 160
CLEAN = np.stack([0.2 + 0.6 * COLUMNS, 0.3 + 0.4 * ROWS, 0.5 + 0.2 * COLUMNS], axis=2)
CLEAN[40:90, 30:120] -= 0.15  # with edges


def noise(kind):
    white = RNG.standard_normal(CLEAN.shape)
    if kind == "filtered":
        soft = gaussian_filter(white, (0.8, 0.8, 0))
        white = soft / soft.std()
    return white
