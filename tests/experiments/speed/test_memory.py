"""The growth of memory and time with the number of pixels."""

from experiments.speed import memory


def test_growth_is_a_slope():
    rows = [memory.Measured(size, 8 * size**2, size**3, 3.0 * size**2) for size in (64, 128, 256)]
    assert memory.fit_growth(rows) == ["64 128 256", "1.00", "1.00", "1.50", "8.0", "256.0"]
    assert memory.fit_growth(rows[:1])[1] == "-"
    assert memory.fit_growth([]) == ["none", "-", "-", "-", "-", "-"]
