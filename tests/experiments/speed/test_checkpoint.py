"""The cost of a checkpoint."""

from experiments.speed import checkpoint


def test_cost_of_a_checkpoint_is_the_difference_over_the_saves():
    cells = checkpoint.make_row((10, 2_500_000, [(4.0, 7.0), (5.0, 8.0), (4.5, 7.5)]))
    assert cells == ["10", "2.5", "4.50", "7.50", "0.300", "1.00%"]
