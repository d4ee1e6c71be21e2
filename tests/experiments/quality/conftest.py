import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_programs(programs_compiled_in_haste):
    """Programs are compiled here to run for a few steps each."""
