"""The notebooks of examples/: run from top to bottom, and are committed without outputs.

They run one after the other in one kernel, which forgets all variables before each.
"""

import json
import os
import pathlib

import jupyter_client
import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
RESET = """
if "patch" in globals():
    patch.undo()
get_ipython().reset()
"""
# Two convolutions for a network, in all notebooks but one: they compile in half the time.
TOY = """
import pytest

from tests.small import use_convolutions, use_tiny_presets

patch = pytest.MonkeyPatch()
use_convolutions(patch)
"""
WITH_NETWORK = "flash"
# In place of the cell tagged "parameters": little to compile, little to compute.
QUICKSTART = """
SIZE, SIGMA, WIDTHS, STEPS = 32, 25, (4,), 2

from dip_jax.app.recipe import change, presets

use_tiny_presets(patch)
quick = tuple(change(each, steps=2, stop="none") for each in presets.PRESETS)
patch.setattr(presets, "PRESETS", quick)
"""
# After the last cell.
QUICKSTART_REPORT = """
import json

print(json.dumps({
    "shapes": [
        picture.shape
        for picture in (result.image, restored, restored_coffee, ensemble.image, demosaiced)
    ],
    "finite": bool(np.isfinite(members).all()),
    "steps": [len(values["loss"]) for values in (result.trace, trace, watched, curves)],
    "snapshots": list(snapshots),
    "deviation": [ensemble.deviation.shape, float(ensemble.deviation.min())],
    "held": float(held.mean()),
    "chosen": chosen,
}))
"""
# Of each notebook about measurements: its small parameters, and the shape of its result.
MEASUREMENTS = {
    "flash": ("SIZE, WIDTHS, STEPS = 32, (4,), 20", [32, 32, 3]),
    "microscopy": ("SIZE, WIDTHS, STEPS = 64, (4,), 20", [64, 64, 1]),
    "mri": ("SIZE, COILS, WIDTHS, STEPS = 64, 3, (4,), 20", [64, 64, 1]),
    "phase_retrieval": ("SIZE, WIDTHS, STEPS = 32, (4,), 20", [32, 32, 1]),
    "spectral_inpainting": ("SIZE, BANDS, WIDTHS, STEPS = 32, 4, (4,), 20", [32, 32, 4]),
    "tomography": ("SIZE, ANGLES, WIDTHS, STEPS = 32, 20, (4,), 20", [32, 32, 1]),
    "torch_operator": ("SIZE, ANGLES, WIDTHS, STEPS = 32, 20, (4,), 20", [32, 32, 1]),
}
NEEDED = {"tomography": ("pydicom",), "torch_operator": ("deepinv", "wrap_torch2jax")}
REPORT = """
import json

found = restored
if isinstance(restored, dict):  # of two slices
    found, trace = restored["CT"], traces["CT"]
print(json.dumps({
    "shape": found.shape,
    "finite": bool(jnp.isfinite(found).all()),
    "losses": [float(value) for value in trace["loss"]],
    "validation": [float(value) for value in trace["validation"]],
    "chosen": int(trace["chosen"][-1]),
    "differs": float(jnp.abs(found).std()),
}))
"""


def read(name):
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A running kernel and its folder."""
    folder = tmp_path_factory.mktemp("kernel")
    manager = jupyter_client.KernelManager(kernel_name="python3")
    paths = [str(ROOT), os.environ.get("PYTHONPATH")]
    manager.start_kernel(
        cwd=str(folder), env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    )
    yield manager, folder
    manager.shutdown_kernel(now=True)


@pytest.fixture
def execute(kernel):
    """Runs a notebook with other parameters; returns its last line and the number of pictures."""
    manager, folder = kernel

    def run(name, small, report):
        notebook = read(name)
        (parameters,) = [
            cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
        ]
        parameters.source = small if name == WITH_NETWORK else TOY + small
        new_cell = nbformat.v4.new_code_cell
        notebook.cells = [new_cell(RESET), *notebook.cells, new_cell(report)]
        client = nbclient.NotebookClient(notebook, km=manager, timeout=300)
        try:
            client.execute()
        finally:
            client.kc.stop_channels()
        reset, *cells = code_cells(notebook)
        assert reset.outputs == []
        assert [cell.execution_count for cell in cells] == list(range(2, len(cells) + 2))
        assert not list(folder.iterdir())
        pictures = sum(
            "image/png" in output.get("data", {}) for cell in cells for output in cell.outputs
        )
        return json.loads(cells[-1].outputs[0].text), pictures

    return run


@pytest.mark.slow
def test_quickstart_runs_from_top_to_bottom(execute):
    report, pictures = execute("quickstart", QUICKSTART, QUICKSTART_REPORT)
    assert pictures == 10
    assert report["shapes"] == [[32, 32, 3]] * 5
    assert report["finite"]
    assert report["steps"] == [2, 2, 2, 6]
    assert report["snapshots"] == ["step 2"]
    shape, least = report["deviation"]
    assert shape == [32, 32]
    assert least > 0  # each member has its own seed
    assert 0 < report["held"] < 0.1
    assert 1 <= report["chosen"] <= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurements_are_fitted(name, execute):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    small, shape = MEASUREMENTS[name]
    report, pictures = execute(name, small, REPORT)
    assert pictures == 1
    assert report["shape"] == shape
    assert report["finite"]
    assert report["differs"] > 0
    assert len(report["losses"]) == 20
    assert report["losses"][-1] < report["losses"][0]
    assert report["validation"][-1] < report["validation"][0]
    assert 1 <= report["chosen"] <= 20


def test_every_notebook_is_executed():
    assert NOTEBOOKS.keys() == {"quickstart", *MEASUREMENTS}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_is_committed_without_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
    for cell in notebook.cells:
        assert cell.metadata.keys() <= {"tags"}
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
