"""Rows for what the one engine tells, record by record and call by call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from logscan.account import FILES, component_of
from logscan.columns.arrays import array
from logscan.columns.mixed import batch
from logscan.columns.requests import Requests
from logscan.columns.runs import Passed, prepare
from logscan.columns.schemas import TABLES, schema
from logscan.columns.subject import (
    NEIGHBOURS,
    NOBODY,
    SEVERITIES,
    Chooser,
    Subject,
    announced,
    category_of,
    code_in,
    of_record,
    of_volume,
)
from logscan.model import Call, Finding, Origin, Record, Report, Rule, VolumeRef
from logscan.quiet import Certificate, Run

MAX_ROWS = 16_384  # of a batch
MAX_TEXT = 2 << 20  # characters of long texts in a batch
_BIGGEST = (1 << 63) - 1


class Rows:
    """Collects rows of one table; a Listener of the Scanner that hears one kind of thing.

    Args:
        what: a key of TABLES.
        by_id: all rules.
    """

    def __init__(self, what: str, by_id: Mapping[str, Rule]) -> None:
        self.schema = schema(what)
        self._what = what
        self._width = len(TABLES[what])
        self._chooser = Chooser(by_id)
        self._rows: list[tuple[Any, ...]] = []
        self._text = 0  # characters of long texts in the rows
        self._order: list[int | Passed] = []  # runs, and numbers of rows before and between them
        self._before = 0  # rows that are in _order
        self._count = self._size = 0  # records and bytes of the runs
        self._requests = Requests()
        self._ready: list[pa.RecordBatch] = []
        self._call: Call | None = None  # the latest whose subject was asked for, and that
        self._subject: Subject = NOBODY

    # ------------------------------------------------------------ what the Scanner tells

    def record(self, record: Record, number: int, findings: Sequence[Finding], call: Call | None) -> None:
        """Take a record."""
        if self._what not in {"records", "findings"} or (self._what == "findings" and not findings):
            return
        # An error that may be any of several calls' end is nobody's yet.
        if call is not None and call.request is None and call.candidates > 1:
            call = None
        if self._what == "records":
            self._add(self._record(record, number, findings, call), len(record.message))
            return
        subject, code = self._about(record, call), code_in(record.message)
        for finding in findings:
            captures = json.dumps(finding.captures, ensure_ascii=False) if finding.captures else None
            self._add(_finding(record, number, finding, call, subject, code, captures), len(captures or ""))

    def takes(self, certificates: Iterable[Certificate], origin: Origin) -> bool:
        """Whether runs of these calls can be told from their certificates."""
        return self._what == "diagnoses" or not any(
            told.read or (origin.component or FILES.get(told.file)) in NEIGHBOURS
            for certificate in certificates
            for told in certificate.told
        )

    def prepare(self, runs: Sequence[Run]) -> None:
        """Do what can be done where runs were narrowed, perhaps in another process."""
        if self._what == "records":
            prepare(runs, self._requests)

    def run(
        self, run: Run, number: int, line: int, dating: tuple[int | None, int, str], origin: Origin, call: int
    ) -> None:
        """Take calls that went well."""
        if self._what != "records":
            return
        if (waiting := len(self._rows) - self._before) > 0:
            self._order.append(waiting)
            self._before = len(self._rows)
        self._order.append(Passed(run, number, line, call, dating, origin))
        self._count += run.lines
        self._size += run.size
        if self._count + len(self._rows) >= MAX_ROWS or self._size >= MAX_TEXT:
            self._close()

    def ended(self, call: Call, role: str, node: str) -> None:
        """Take a call."""
        if self._what == "calls":
            self._add(_call(call, role, node), len(call.message))

    # ------------------------------------------------------------ rows and batches

    def _add(self, row: tuple[Any, ...], size: int) -> None:
        self._rows.append(row)
        self._text += size
        if len(self._rows) >= MAX_ROWS or self._text >= MAX_TEXT:
            self._close()

    def _close(self) -> None:
        rows, order = self._rows, self._order
        if len(rows) > self._before:
            order.append(len(rows) - self._before)
        self._rows, self._order = [], []
        self._text = self._before = self._count = self._size = 0
        if any(isinstance(one, Passed) for one in order):
            columns = [list(map(itemgetter(n), rows)) for n in range(self._width)]
            self._ready.append(batch(self.schema, order, columns, self._requests, self._chooser))
        elif rows:
            columns = [array(list(map(itemgetter(n), rows)), self.schema.field(n).type) for n in range(self._width)]
            self._ready.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))

    def add_report(self, report: Report) -> None:
        """Take the diagnoses of a report."""
        for row in of_report(report):
            self._add(row, len(row[5]))

    def take(self, *, rest: bool = False) -> list[pa.RecordBatch]:
        """The batches that are full; *rest*: also what there is beside them."""
        if rest:
            self._close()
        ready, self._ready = self._ready, []
        return ready

    def _about(self, record: Record, call: Call | None) -> Subject:
        if call is None or call.request is None:
            return of_record(record, call)
        if call is not self._call:
            self._call, self._subject = call, of_record(record, call)
        return self._subject

    def _record(self, record: Record, number: int, findings: Sequence[Finding], call: Call | None) -> tuple[Any, ...]:
        origin, message = record.origin, record.message
        method = announced(message) if call is None else call.method or None
        return (
            origin.input, number, record.line, record.end_line, record.offset, origin.carrier, record.kind,
            origin.namespace or None, origin.pod or None, origin.container or None, origin.node or None,
            component_of(record) or None, record.time, record.time_source,
            None if record.severity is None else SEVERITIES[record.severity],
            record.pid if 0 < record.pid <= _BIGGEST else None, record.file or None, record.source_line or None, message,
            None if call is None else call.number, method,
            *self._about(record, call), code_in(message),
            *self._chooser.of([finding.rule.id for finding in findings] if findings else ()),
        )  # fmt: skip


def of_report(report: Report) -> list[tuple[Any, ...]]:
    """Rows of the table of diagnoses."""
    return [
        (
            number, one.id, one.category, SEVERITIES[one.severity], one.confidence, one.cause or one.title, one.remedy.summary or None,
            volume.name or None, volume.pvc or None, volume.namespace or None, volume.server or None, volume.share or None,
            one.failures, one.attempts, one.first_time, one.last_time, one.recovered, one.ongoing,
        )
        for number, one in enumerate(report.diagnoses)
        for volume in one.volumes or (VolumeRef(""),)
    ]  # fmt: skip


def _finding(
    record: Record,
    number: int,
    finding: Finding,
    call: Call | None,
    subject: Subject,
    code: str | None,
    captures: str | None,
) -> tuple[Any, ...]:
    rule, origin = finding.rule, record.origin
    return (
        origin.input, number, record.line, record.end_line, record.time, rule.id, rule.title, SEVERITIES[rule.severity],
        category_of(rule), component_of(record) or None, origin.pod or None, origin.node or None,
        None if call is None else call.number, (call.method or None) if call is not None else None, *subject, code, captures,
    )  # fmt: skip


def _call(call: Call, role: str, node: str) -> tuple[Any, ...]:
    failed = call.outcome == "failed"
    took = None if call.start is None or call.end is None else call.end - call.start
    return (
        call.number, call.origin.input, call.line, call.method or None, *of_volume(call.volume), role or None,
        node or call.origin.node or None, call.origin.pod or None, call.attempt, call.outcome, call.hung, call.start, call.end, took,
        (call.code or None) if failed else None, (call.message or None) if failed else None, call.target or None,
        call.source or None, call.options, call.step or None, call.candidates,
    )  # fmt: skip
