import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_programs(programs_compiled_in_haste):
    """What is asserted holds by far more than rounding."""
