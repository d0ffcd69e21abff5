"""The notebooks in `examples/` run without a network, and are committed without outputs."""

from pathlib import Path

import pytest

import lgi_former


nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(lgi_former.__file__).parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
TIMEOUT = 300  # seconds for a cell; a test machine may be busy
EXPECTED = {
    "analyse_a_video": ["tiny_model/config.json", "drawn.mp4"],
    "fine_tune_on_your_own_videos": ["my_model/config.json", "evaluation/confusion_matrix.png", "list.csv"],
}
"""Files that each notebook writes."""


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_notebook_is_tested():
    assert {path.stem for path in NOTEBOOKS} == set(EXPECTED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_valid_and_have_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert not cell.metadata
    for cell in code_cells(notebook):
        assert not cell.outputs and cell.execution_count is None
        assert len(cell.source.splitlines()) <= 20


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path, monkeypatch):
    """Each notebook has its own process, which may not use the Hub and writes into a temporary folder only."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    folder = tmp_path / "run"
    folder.mkdir()
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    client.execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [name for name in EXPECTED[path.stem] if not (folder / name).is_file()]
