"""Tables for the ``rules`` commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from logscan.report.safe import columns, fold, visible

_GAP = 2  # columns between two columns of a table
_READABLE = 24  # columns: a narrower last column is put below its row instead


def write(out: TextIO, head: Sequence[str], rows: Iterable[Sequence[str]], *, width: int = 80) -> None:
    """Write *rows* under *head*; the last column takes what is left of *width*, and is folded."""
    cells = [list(head), *([visible(cell) for cell in row] for row in rows)]
    sizes = [max(columns(row[index]) for row in cells) + _GAP for index in range(len(head) - 1)]
    below = width - sum(sizes) < _READABLE
    margin = _GAP if below else sum(sizes)
    for row in cells:
        first = "".join(cell + " " * (size - columns(cell)) for cell, size in zip(row, sizes, strict=False))
        if below:
            out.writelines(f"{part}\n" for part in fold(first.rstrip(), width))
        out.writelines(
            f"{' ' * margin if index or below else first}{part}".rstrip() + "\n"
            for index, part in enumerate(fold(row[-1], width - margin))
        )
