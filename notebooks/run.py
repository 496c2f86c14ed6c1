"""Run the notebooks from top to bottom, and keep their plots as the pictures of the manual.

usage: python -m notebooks.run [NAME]...               run what is named, or all
       python -m notebooks.run --pictures              run all, and write docs/notebooks/*.png anew
       python -m notebooks.run --save DIRECTORY NAME   run one, and keep it with what it prints

The notebooks themselves stay as they are: they are kept without what they print.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "docs" / "notebooks"
SECONDS = 120  # that a cell may take on a busy machine


def notebooks() -> list[Path]:
    """All of them, in the order in which they are to be read."""
    return sorted(HERE.glob("*.ipynb"))


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with what its cells print.

    Raises:
        CellExecutionError: a cell raised, and its text says which.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as place:
        # By sockets in the file system: nothing listens on the network.
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(Path(place, "kernel")))
        client = NotebookClient(notebook, km=kernel, timeout=SECONDS, resources={"metadata": {"path": str(HERE)}})
        client.owns_km = True  # and ends it
        return client.execute()


def pictures(path: Path, notebook: nbformat.NotebookNode) -> Iterator[tuple[str, bytes]]:
    """The plots of a notebook that was run: a file name made of its name and the cell's, and PNG."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if image := output.get("data", {}).get("image/png"):
                yield f"{path.stem}-{cell.id}.png", base64.b64decode(image)


def main() -> None:
    """Run what is named, or all."""
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*")
    options.add_argument("--pictures", action="store_true")
    options.add_argument("--save", type=Path)
    chosen = options.parse_args()
    for path in notebooks():
        if chosen.names and path.stem not in chosen.names:
            continue
        done = run(path)
        if chosen.save:
            nbformat.write(done, chosen.save / path.name)
        for name, image in pictures(path, done) if chosen.pictures else ():
            PICTURES.mkdir(exist_ok=True)
            (PICTURES / name).write_bytes(image)
        sys.stdout.write(f"{path.name}: {sum(cell.cell_type == 'code' for cell in done.cells)} cells\n")


if __name__ == "__main__":
    main()
