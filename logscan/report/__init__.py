"""The writers: functions of a Report alone.

Each is imported when it is called, so that the command line knows their names
without paying for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from logscan.model import Report, Trace


class Writer(Protocol):
    """A function that writes a whole report."""

    def __call__(self, report: Report, out: TextIO, *, width: int, color: bool) -> None:
        """Write *report* to *out*; *width* is in columns, *color* allows ANSI colours."""


def _text(report: Report, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import text

    text.write(report, out, width=width, color=color)


def _json(report: Report, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import json_v1

    del width, color  # it is for programs
    json_v1.write(report, out)


WRITERS: Mapping[str, Writer] = {"text": _text, "json": _json}


class TraceWriter(Protocol):
    """A function that writes a whole trace."""

    def __call__(self, trace: Trace, out: TextIO, *, width: int, color: bool) -> None:
        """Write *trace* to *out*; *width* is in columns, *color* allows ANSI colours."""


def _trace_text(trace: Trace, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import trace as page

    page.write(trace, out, width=width, color=color)


def _trace_json(trace: Trace, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import trace_v1

    del width, color  # it is for programs
    trace_v1.write(trace, out)


TRACE_WRITERS: Mapping[str, TraceWriter] = {"text": _trace_text, "json": _trace_json}
