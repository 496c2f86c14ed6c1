"""The writers: functions of a Report alone.

Each is imported when it is called, so that the command line knows their names
without paying for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO, cast

if TYPE_CHECKING:
    from logscan.compare import Diff
    from logscan.model import Report, Trace


class Writer(Protocol):
    """A function that writes a whole report."""

    def __call__(self, report: Report, out: TextIO, *, width: int, color: bool) -> None:
        """Write *report* to *out*; *width* is in columns, *color* allows ANSI colours."""


def _text(report: Report, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import text

    text.write(report, out, width=width, color=color)


def _plain(module: str) -> Writer:
    """The writer of a format that has neither width nor colours."""

    def write(report: Report, out: TextIO, *, width: int, color: bool) -> None:
        del width, color
        writer = cast("Callable[[Report, TextIO], None]", import_module(f"logscan.report.{module}").write)
        writer(report, out)

    return write


WRITERS: Mapping[str, Writer] = {
    "text": _text,
    "json": _plain("json_v1"),
    "ndjson": _plain("ndjson"),
    "markdown": _plain("markdown"),
    "html": _plain("html"),
    "csv": _plain("sheet"),
    "sarif": _plain("sarif"),
    "junit": _plain("junit"),
    "github": _plain("github"),
    "gitlab": _plain("gitlab"),
    "issue": _plain("issue"),
}

# What a file's name says of its format; endings that several formats have are not here.
ENDINGS: Mapping[str, str] = {
    ".txt": "text",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".xml": "junit",
}


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


class DiffWriter(Protocol):
    """A function that writes a whole comparison."""

    def __call__(self, diff: Diff, out: TextIO, *, width: int, color: bool) -> None:
        """Write *diff* to *out*; *width* is in columns, *color* allows ANSI colours."""


def _diff_text(diff: Diff, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import diff as page

    page.write(diff, out, width=width, color=color)


def _diff_json(diff: Diff, out: TextIO, *, width: int, color: bool) -> None:
    from logscan.report import diff_v1

    del width, color  # it is for programs
    diff_v1.write(diff, out)


DIFF_WRITERS: Mapping[str, DiffWriter] = {"text": _diff_text, "json": _diff_json}
