"""Tables for others to see: all rows are made first, so that every name is known, and then redacted.

What waits is in a file without a name, so memory stays the same, and nothing is left of it when the run ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from logscan.columns import arrays
from logscan.listening import Listener
from logscan.model import Call, Finding, Origin, Record, Report
from logscan.quiet import Certificate, Run

# Columns of names, and whose they are: kinds of pseudonyms.
NAMES: Mapping[str, str] = {
    "pod_namespace": "ns", "namespace": "ns", "pod": "pod", "node": "node", "volume": "volume", "pvc": "claim",
    "server": "host",
}  # fmt: skip
# Columns whose words are of rules and of logscan, which no log can choose.
OURS = frozenset(
    (
        "framing", "kind", "component", "time_source", "severity", "rule", "title", "category", "role", "outcome",
        "step", "id", "confidence",
    )
)  # fmt: skip


class Redacts(Protocol):
    """What is asked of a redactor."""

    def name(self, kind: str, text: str) -> str:
        """The stand-in of a whole name."""

    def learn_name(self, kind: str, text: str) -> None:
        """Learn a whole name."""

    def file(self, name: str) -> str:
        """The stand-in of an input's name."""

    def learn(self, text: str) -> None:
        """Learn the names in a text."""

    def text(self, text: str) -> str:
        """A text, redacted."""


class Veiling(Protocol):
    """What a command redacts with."""

    @property
    def redactor(self) -> Redacts | None:
        """Of texts and names; None: nothing is to be redacted."""

    def ears(self) -> Listener:
        """Learns names from all that is read."""

    def report(self, report: Report) -> Report:
        """A report as it may be written."""


class Both:
    """Tells a second listener all that the first one is told."""

    def __init__(self, rows: Listener, ears: Listener) -> None:
        self._rows, self._ears = rows, ears

    def record(self, record: Record, number: int, findings: Sequence[Finding], call: Call | None) -> None:
        """Pass a record on."""
        self._ears.record(record, number, findings, call)
        self._rows.record(record, number, findings, call)

    def takes(self, certificates: Iterable[Certificate], origin: Origin) -> bool:
        """Whether runs serve the first one: the rows that they become are learnt from."""
        return self._rows.takes(certificates, origin)

    def prepare(self, runs: Sequence[Run]) -> None:
        """Let the first one prepare."""
        self._rows.prepare(runs)

    def run(
        self, run: Run, number: int, line: int, dating: tuple[int | None, int, str], origin: Origin, call: int
    ) -> None:
        """Pass on calls that went well."""
        self._rows.run(run, number, line, dating, origin, call)

    def ended(self, call: Call, role: str, node: str) -> None:
        """Pass a call on."""
        self._ears.ended(call, role, node)
        self._rows.ended(call, role, node)


def redacted(batches: Iterable[pa.RecordBatch], schema: pa.Schema, redactor: Redacts) -> Iterator[pa.RecordBatch]:
    """The rows of *batches*, redacted with what all of them, and what was read for them, told.

    Raises:
        OSError: there is no room for what waits.
    """
    with tempfile.TemporaryFile(prefix="logscan-") as waiting:
        # A stream, not a file: its dictionaries may change from batch to batch.
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(waiting, schema, options=options) as writer:
            for batch in batches:
                _learn(batch, redactor)
                writer.write_batch(batch)
        waiting.seek(0)
        with pa.ipc.open_stream(waiting) as reader:
            for batch in reader:
                yield _redacted(batch, redactor)


def _learn(batch: pa.RecordBatch, redactor: Redacts) -> None:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in NAMES:
            for name in column.dictionary.to_pylist():
                redactor.learn_name(NAMES[field.name], name)
        elif pa.types.is_string(field.type):
            for text in column.to_pylist():
                redactor.learn(text or "")


def _redacted(batch: pa.RecordBatch, redactor: Redacts) -> pa.RecordBatch:
    columns = [
        _column(column, _way(field.name, redactor)) if _told(field) else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _told(field: pa.Field) -> bool:
    return field.name not in OURS and (pa.types.is_dictionary(field.type) or pa.types.is_string(field.type))


def _way(name: str, redactor: Redacts) -> Callable[[str], str]:
    if name == "input":
        return redactor.file
    if name in NAMES:
        return lambda text: redactor.name(NAMES[name], text)
    return redactor.text


def _column(column: Any, stand_in: Callable[[str], str]) -> Any:
    if not pa.types.is_dictionary(column.type):
        return arrays.texts([None if text is None else stand_in(text) for text in column.to_pylist()])
    names: dict[str, int] = {}
    # Two names may get one stand-in, as two secrets do.
    codes = [arrays.code(names, stand_in(text)) for text in column.dictionary.to_pylist()]
    indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return arrays.named(np.asarray([*codes, -1], np.int32)[indices], names)
