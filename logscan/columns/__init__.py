"""Logs as Arrow tables: records, calls and findings, for pandas, Polars, DuckDB or a file.

The only room that knows pyarrow and pandas.  The engine is that of every other command; here is
only what becomes of what it tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from logscan import rules as rulebook
from logscan import scan
from logscan.columns.rows import Rows
from logscan.columns.schemas import manual, schema
from logscan.columns.veiled import Both, Veiling, redacted
from logscan.crew import open_sources
from logscan.errors import SourceError
from logscan.model import Report
from logscan.quiet import Narrowed
from logscan.sources import Source

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tabler", "manual", "of_report", "open_batches", "read", "schema", "to_pandas"]

# Tables that do not tell of every call: those that went well need not be read.
_NARROWED = frozenset({"records", "diagnoses"})

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class Tabler:
    """Reads inputs into batches of one table.

    Args:
        what: a key of schemas.TABLES.
        rules: what findings are made with.
        options: see scan.Options.
        veil: redacts the rows, if it is to.

    Raises:
        LogscanError: there is no such table.
    """

    def __init__(self, what: str, rules: rulebook.RuleSet, options: scan.Options, veil: Veiling | None = None) -> None:
        self._what = what
        self._veil = veil if veil is not None and veil.redactor is not None else None
        self._rows = Rows(what, rules.by_id)
        self.schema = self._rows.schema
        self.scanner = scan.Scanner(rules, options if what in _NARROWED else replace(options, narrow=False))
        self.scanner.listener = self._rows if self._veil is None else Both(self._rows, self._veil.ears())

    def batches(self, sources: Iterable[Source | Narrowed | SourceError]) -> Iterator[pa.RecordBatch]:
        """The rows of all *sources*, in constant memory; what cannot be read is in ``scanner.errors()``."""
        rows = self._batches(sources)
        if self._veil is None or self._veil.redactor is None or self._what == "diagnoses":
            return rows
        return redacted(rows, self.schema, self._veil.redactor)

    def _batches(self, sources: Iterable[Source | Narrowed | SourceError]) -> Iterator[pa.RecordBatch]:
        for source in sources:
            for _ in self.scanner.steps(source):
                yield from self._rows.take()
        self.scanner.close()
        if self._what == "diagnoses":
            report = self.scanner.report()
            self._rows.add_report(report if self._veil is None else self._veil.report(report))
        yield from self._rows.take(rest=True)


def open_batches(
    paths: Paths,
    what: str = "records",
    *,
    rules: Sequence[str | os.PathLike[str]] = (),
    year: int | None = None,
    zone: int = 0,
    reference: int | None = None,
    jobs: int | None = None,
    on_error: Callable[[SourceError], None] | None = None,
) -> pa.RecordBatchReader:
    """Read logs as batches of a table whose schema is ``schema(what)``, in constant memory.

    Each batch has dictionaries of its own.

    Args:
        paths: files, directories, patterns, archives, or "-" for standard input.
        what: "records", "calls", "findings" or "diagnoses".
        rules: directories with more rules.
        year: of klog's stamps, which have none; default: what the log, its name or its age tell.
        zone: minutes east of UTC of whoever wrote them.
        reference: µs since the epoch, the latest time that the logs can have.
        jobs: processes for large or many files; None: one per core, up to 8.
        on_error: gets what could not be read; the rest is read all the same.

    Raises:
        LogscanError: there is no such table, or a rule is broken.
        SourceError: while batches are read, after the last one: an input could not be read, and there is no *on_error*.
    """
    options = scan.Options(year=year, zone=zone, reference=reference, jobs=jobs)
    tabler = Tabler(what, rulebook.load([Path(path) for path in rules]), options)
    names = [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]

    def batches() -> Iterator[pa.RecordBatch]:
        yield from tabler.batches(open_sources(names, tabler.scanner))
        for error in tabler.scanner.errors():
            if on_error is None:
                raise error
            on_error(error)

    return pa.RecordBatchReader.from_batches(tabler.schema, batches())


def read(paths: Paths, what: str = "records", **options: Any) -> pa.Table:
    """Read logs as one table whose schema is ``schema(what)``; arguments and errors are those of ``open_batches``."""
    with open_batches(paths, what, **options) as batches:
        return batches.read_all().unify_dictionaries()


def of_report(report: Report) -> pa.Table:
    """The diagnoses of a report as a table whose schema is ``schema("diagnoses")``."""
    rows = Rows("diagnoses", {})
    rows.add_report(report)
    return pa.Table.from_batches(rows.take(rest=True), rows.schema).unify_dictionaries()


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """*table* as a DataFrame: dictionaries become categories, and every other column has an Arrow-backed dtype.

    So integers with gaps stay integers, times keep their µs and their zone, and texts are not copied.
    """
    import pandas as pd

    def mapper(kind: pa.DataType) -> Any:
        return None if pa.types.is_dictionary(kind) else pd.ArrowDtype(kind)

    return table.to_pandas(types_mapper=mapper)
