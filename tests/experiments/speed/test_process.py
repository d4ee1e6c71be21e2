"""Code in a process of its own."""

import pytest

from dip_jax.app import UserError
from experiments.speed import process


@pytest.mark.slow
def test_a_process_returns_json_and_passes_errors_on():
    code = "import json, sys; print(json.dumps(json.loads(sys.argv[1])[0] + 1))"
    assert process.run_code(code, 41).result == 42
    assert process.run_code("pass").result is None
    with pytest.raises(ChildProcessError, match="ZeroDivisionError"):
        process.run_code("1 / 0")
    with pytest.raises(UserError, match="--x=3: is wrong"):
        process.run_code("from dip_jax.app import UserError; raise UserError('--x', 3, 'is wrong')")
