import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_programs(programs_compiled_in_haste):
    """Hundreds of programs are compiled here, and run for a few steps each."""
