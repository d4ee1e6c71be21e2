"""The report's ranking and table."""

import numpy as np

from dip_jax.app.recipe import degrade
from experiments.quality import noise_resistance
from experiments.quality import noise_resistance_report as report


def test_statement_ranks_by_the_numbers():
    picture = degrade.demonstration_picture()
    targets = noise_resistance.make_targets(picture, 25.0, seed=0)
    ends = {"natural": 0.04, "noisy": 0.03, "shuffled": 0.02, "noise": 0.01}
    curves = {
        (name, 0): {"loss": np.linspace(0.1, end, 11), "fit": targets[name] * 0.9}
        for name, end in ends.items()
    }
    labels = report.LABELS
    words = report.format_statement(curves, targets)
    positions = [words.index(labels[n]) for n in ("noise", "shuffled", "noisy", "natural")]
    assert positions == sorted(positions)
    rows = report.format_table(curves, targets).splitlines()
    assert rows[-1].endswith("| 10 |")
    assert rows[2].endswith("| not in 10 |")
