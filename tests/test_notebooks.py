"""The notebooks run from top to bottom, offline and without a word on standard error, and are kept without outputs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib import image

from notebooks import run

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = run.notebooks()
PAGE = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
# What a notebook may not hold: where it was written.
MACHINE = re.compile(r"/(?:home/(?!ubuntu/nfs)|root|tmp|work|Users|mnt|opt)\b|[A-Z]:\\\\")
OFFLINE = """
import socket


def _refuse(self, address):
    if self.family != socket.AF_UNIX:
        raise OSError(f"the notebooks are to run offline, and this one connects to {address}")
    return _connect(self, address)


_connect, socket.socket.connect = socket.socket.connect, _refuse
"""


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A kernel of this environment, with this tree's logscan and no network."""
    (tmp_path / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    # A first import of matplotlib's fonts takes long, and says so on standard error.
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, capture_output=True)


def thumbnail(png: bytes) -> np.ndarray:
    """What the eye sees from afar, grey, 32 x 32: another font is 0.002 away on average, a lane that is gone 0.013."""
    pixels = image.imread(io.BytesIO(png), format="png")[..., :3].mean(axis=2)
    rows, columns = (np.array_split(np.arange(size), 32) for size in pixels.shape)
    return np.array([[pixels[np.ix_(row, column)].mean() for column in columns] for row in rows])


def test_the_page_shows_all_notebooks():
    assert [path.stem for path in NOTEBOOKS] == re.findall(r"\]\(\.\./notebooks/([\w-]+)\.ipynb\)", PAGE)
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("offline")
def test_a_notebook_runs_and_draws_the_pictures_of_the_manual(path, tmp_path):
    command = [sys.executable, "-m", "notebooks.run", "--save", str(tmp_path), path.stem]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    done = nbformat.read(tmp_path / path.name, as_version=4)

    told = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert told
    assert not [output.text for output in told if output.output_type == "stream" and output.name == "stderr"]
    drawn = dict(run.pictures(path, done))
    assert drawn.keys() == {file.name for file in run.PICTURES.glob(f"{path.stem}-*.png")}
    for name, png in drawn.items():
        kept = thumbnail((run.PICTURES / name).read_bytes())
        assert np.abs(thumbnail(png) - kept).mean() < 0.005, f"{name}: run python -m notebooks.run --pictures"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_was_written(path):
    """No outputs, nothing of the machine, and names for cells that stay the same."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+(?:-[a-z]+)*", cell.id), "a cell's id names it, and its picture"
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert not MACHINE.search(cell.source), cell.id
    assert text == nbformat.writes(notebook, indent=1) + "\n", "written by another program"


def test_every_picture_is_shown():
    shown = re.findall(r"!\[[^]]+\]\(notebooks/([\w-]+\.png)\)", PAGE)
    assert sorted(shown) == sorted(path.name for path in run.PICTURES.iterdir())
    assert all((run.PICTURES / name).stat().st_size < 100_000 for name in shown)


def test_colours_stay_apart_for_those_who_see_fewer():
    """Simulated after Machado et al., with protanopia and deuteranopia: any two of the palette differ."""
    from notebooks import charts

    seen = {
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }  # fmt: skip
    palette = np.array([mpl.colors.to_rgb(one) for one in charts.CYCLE])
    linear = np.where(palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4)
    for matrix in [np.eye(3), *seen.values()]:
        colours = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(colours[:, None] - colours[None, :], axis=2)
        assert apart[np.triu_indices(len(palette), 1)].min() > 0.15
