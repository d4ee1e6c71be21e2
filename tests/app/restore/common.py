"""A small picture and a hole in it."""

import numpy as np

PICTURE = np.random.default_rng(0).random((9, 13, 3), np.float32)
MASK = np.ones((9, 13))
MASK[2:4, 3:7] = 0
