"""A batch of records, some told one by one and some in runs, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from logscan.account import FILES
from logscan.columns import arrays
from logscan.columns.arrays import code, coded, named
from logscan.columns.requests import Requests
from logscan.columns.runs import PADDING, Ints, Lines, Passed, by_sort, lines_of, views
from logscan.columns.subject import SEVERITIES, Chooser, Subject, announced
from logscan.model import Origin
from logscan.quiet import Certificate, Told


def batch(
    schema: pa.Schema, order: Sequence[int | Passed], columns: Sequence[list[Any]], requests: Requests, chooser: Chooser
) -> pa.RecordBatch:
    """Join records and runs.

    Args:
        schema: of the table of records.
        order: numbers of records that were told one by one, and the runs between them.
        columns: of those records.
    """
    runs = [one for one in order if isinstance(one, Passed)]
    lines = lines_of(runs, requests)
    sizes = [one.run.lines if isinstance(one, Passed) else one for one in order]
    told = np.repeat(np.array([isinstance(one, Passed) for one in order]), sizes)
    join = _Join(lines, np.flatnonzero(~told), np.flatnonzero(told), runs, chooser)
    made = []
    for field, values in zip(schema, columns, strict=True):
        passed = join.column(field.name)
        if field.name == "message":
            made.append(join.messages(values))
        elif isinstance(passed, _Named):
            made.append(join.names(values, passed))
        else:
            numbers, there = passed
            made.append(join.numbers(values, numbers, there, field.type))
    return pa.RecordBatch.from_arrays(made, schema=schema)


class _Named:
    """A column of names: codes, -1 for none, into ``names``."""

    def __init__(self, codes: Any, names: Mapping[str, int]) -> None:
        self.codes, self.names = codes, dict(names)


class _Join:
    """The columns of runs, and records put between them."""

    def __init__(self, lines: Lines, apart: Ints, passed: Ints, runs: Sequence[Passed], chooser: Chooser) -> None:
        self._lines, self._apart, self._passed, self._runs, self._chooser = lines, apart, passed, runs, chooser
        self._bound = by_sort(lines, lambda _origin, _certificate, told: told.bound, np.bool_)

    def column(self, name: str) -> Any:
        """What runs have in a column: a _Named, or numbers and which of them there are."""
        lines, ask = self._lines, _SORTS.get(name)
        if ask is not None:
            return self._of_sorts(ask)
        if name in _RULED:
            return self._of_sorts(lambda _origin, _certificate, told: self._chooser.of(told.rules)[_RULED[name]])
        if name in Subject._fields:
            return self._of_calls(Subject._fields.index(name))
        match name:
            case "time_source":
                sources = {text: code for code, text in enumerate(dict.fromkeys(one.dating[2] for one in self._runs))}
                codes = np.array([sources[one.dating[2]] for one in self._runs], np.int32)[lines.run]
                return _Named(np.where(lines.timed, codes, sources.setdefault("none", len(sources))), sources)
            case "grpc_code":
                return _Named(np.full(len(lines.sort), -1, np.int32), {})
            case "source_line":
                numbers = by_sort(lines, lambda _origin, _certificate, told: told.source_line, np.int64)
                return numbers, numbers > 0
            case "call_id":
                return lines.numbers[lines.call], self._bound
            case "pid":
                return lines.pid, lines.pid > 0
            case "time":
                return lines.time, lines.timed
            case "message":
                return None
        all_ = np.ones(len(lines.sort), np.bool_)
        return {"record": lines.number, "line": lines.line, "end_line": lines.line, "offset": lines.offset}[name], all_

    def _of_sorts(self, ask: Callable[[Origin, Certificate, Told], str | None]) -> _Named:
        names: dict[str, int] = {}
        return _Named(by_sort(self._lines, lambda *sort: code(names, ask(*sort)), np.int32), names)

    def _of_calls(self, index: int) -> _Named:
        codes, names = coded(self._lines.about[index])
        return _Named(np.where(self._bound, codes[self._lines.call], -1), names)

    # ------------------------------------------------------------ records between runs

    def names(self, values: list[str | None], passed: _Named) -> pa.Array[Any]:
        """A column of names."""
        codes = np.empty(len(self._apart) + len(self._passed), np.int32)
        codes[self._passed] = passed.codes
        codes[self._apart], _ = coded(values, passed.names)
        return named(codes, passed.names)

    def numbers(
        self, values: list[int | None], passed: Ints, there: npt.NDArray[np.bool_], kind: pa.DataType
    ) -> pa.Array[Any]:
        """A column of numbers or times."""
        numbers = np.zeros(len(self._apart) + len(self._passed), np.int64)
        missing = np.zeros(len(numbers), np.bool_)
        numbers[self._passed], missing[self._passed] = passed, ~there
        numbers[self._apart] = [value or 0 for value in values]
        missing[self._apart] = [value is None for value in values]
        return arrays.numbers(numbers, ~missing, kind)

    def messages(self, values: list[str]) -> pa.Array[Any]:
        """The messages, each copied once."""
        lines = self._lines
        rows = np.empty((len(self._apart) + len(self._passed), 4), np.int32)
        part = np.empty((len(self._passed), 4), np.int32)
        views(part, lines.text, lines.message, lines.size, 0)
        rows[self._passed] = part
        buffers = [None, pa.py_buffer(rows), pa.py_buffer(lines.text)]
        if values:
            texts = [text.encode("utf-8", "replace") for text in values]
            sizes = np.array([len(text) for text in texts])
            data = b"".join([*texts, bytes(PADDING)])
            part = np.empty((len(values), 4), np.int32)
            views(part, data, np.cumsum(sizes) - sizes, sizes, 1)
            rows[self._apart] = part
            buffers.append(pa.py_buffer(data))
        return pa.Array.from_buffers(pa.string_view(), len(rows), buffers).cast(pa.string())


_RULED = {"rule": 0, "category": 1}
_SORTS: Mapping[str, Callable[[Origin, Certificate, Told], str | None]] = {
    "input": lambda origin, _certificate, _told: origin.input,
    "framing": lambda origin, _certificate, _told: origin.carrier,
    "kind": lambda _origin, _certificate, _told: "klog",
    "pod_namespace": lambda origin, _certificate, _told: origin.namespace or None,
    "pod": lambda origin, _certificate, _told: origin.pod or None,
    "container": lambda origin, _certificate, _told: origin.container or None,
    "node": lambda origin, _certificate, _told: origin.node or None,
    "component": lambda origin, _certificate, told: origin.component or FILES.get(told.file),
    "severity": lambda _origin, _certificate, told: None if told.severity is None else SEVERITIES[told.severity],
    "source_file": lambda _origin, _certificate, told: told.file or None,
    "method": lambda _origin, certificate, told: certificate.method if told.bound else announced(told.message),
}
