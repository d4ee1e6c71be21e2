"""gpu.sh on a machine without a GPU."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]


def test_gpu_script_without_a_gpu_says_so(tmp_path):
    result = subprocess.run(
        ["bash", "experiments/speed/gpu.sh", str(tmp_path / "gpu")],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "'.[cuda13]' or '.[cuda12]'" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "gpu").exists()
