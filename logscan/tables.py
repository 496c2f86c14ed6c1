"""The names in the tables that ``kubectl get`` prints, which only their header tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What stands in a column, by its head; of "kind/name" or "namespace/name" the parts are found elsewhere.
_KINDS = {
    "NAMESPACE": "ns", "NAME": "name", "NODE": "node", "NOMINATED NODE": "node", "VOLUME": "volume", "STORAGECLASS": "class",
    "CLAIM": "claim", "VOLUMESNAPSHOT": "snapshot", "SOURCEPVC": "claim", "SNAPSHOTCONTENT": "snapshot", "HOLDER": "node",
    "SERVICE ACCOUNT": "name", "HOST": "host", "SERVER": "host",
}  # fmt: skip
_HEAD = re.compile(r"(?:NAME|NAMESPACE)  +[A-Z][A-Z0-9()_/ -]*$")
_CELL = re.compile(r"\S+(?: \S+)*")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class Table:
    """Reads lines one after the other.  It remembers the header of the table that is open."""

    def __init__(self) -> None:
        self._columns: list[tuple[str, int]] = []

    def names(self, line: str) -> Iterator[tuple[str, int, int]]:
        """The names in a row: (kind, start, end).  A line that is none closes the table."""
        if line.startswith("NAME") and "MESSAGE" not in line and _HEAD.match(line.rstrip()):
            self._columns = [(found[0], found.start()) for found in _CELL.finditer(line)]
            return
        if not self._columns:
            return
        cells = list(_CELL.finditer(line))
        if not line.strip() or line[0].isspace() or len(cells) < 2 or len(cells) > len(self._columns):
            self._columns = []
            return
        # Where a cell is empty the others are known by where they stand.
        whole = len(cells) == len(self._columns)
        starts = {start: head for head, start in self._columns}
        for index, cell in enumerate(cells):
            head = self._columns[index][0] if whole else starts.get(cell.start(), "")
            if (kind := _KINDS.get(head)) is None:
                continue
            start = cell.start() + (cell[0].rfind("/") + 1)
            if start > cell.start() and kind == "claim":
                yield "ns", cell.start(), start - 1
            if _NAME.fullmatch(line, start, cell.end()):
                yield kind, start, cell.end()
