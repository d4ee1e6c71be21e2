"""The notebook of examples/: runs from top to bottom, and is committed without outputs."""

import json
import os
import pathlib

import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
# In place of the cell tagged "parameters": little to compile, little to compute.
SMALL = """
SIZE, SIGMA, WIDTHS, STEPS = 32, 25, (4,), 2

from dip_jax.app.recipe import change, presets

presets.PRESETS = tuple(
    change(preset, options=(("widths", (4,)),), steps=2) for preset in presets.PRESETS
)
"""
# After the last cell.
REPORT = """
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


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_runs_from_top_to_bottom(notebook, tmp_path, monkeypatch, environment_in_haste):
    for name, value in environment_in_haste.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    (parameters,) = [
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    ]
    parameters.source = SMALL
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))

    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    ).execute()

    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not list(tmp_path.iterdir())
    pictures = sum(
        "image/png" in output.get("data", {}) for cell in cells for output in cell.outputs
    )
    assert pictures == 10
    report = json.loads(cells[-1].outputs[0].text)
    assert report["shapes"] == [[32, 32, 3]] * 5
    assert report["finite"]
    assert report["steps"] == [2, 2, 2, 6]
    assert report["snapshots"] == ["step 2"]
    shape, least = report["deviation"]
    assert shape == [32, 32]
    assert least > 0  # each member has its own seed
    assert 0 < report["held"] < 0.1
    assert 1 <= report["chosen"] <= 6


def test_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
    for cell in notebook.cells:
        assert cell.metadata.keys() <= {"tags"}
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
