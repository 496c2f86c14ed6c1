"""Entries that are written in fields: tables (CSV), and what ``journalctl`` writes with ``-o export`` and ``-o verbose``."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from logscan.shippers import is_klog

MAX_LINES = 2000  # physical lines of one entry
MAX_COLUMNS = 300

Held = tuple[int, int, str]  # number, offset, text

# What viewers call the column of the line itself: Kibana, Graylog, Splunk, Datadog, GCP, CloudWatch, Azure, Grafana.
_LINE_COLUMNS = (
    "message", "log", "line", "content", "_raw", "textpayload", "@message", "logmessage", "logentry", "log.message", "msg", "body", "event.original",
)  # fmt: skip
_FIELD = re.compile(r"([A-Z_][A-Z0-9_]{0,63})=(.*)", re.DOTALL)
_VERBOSE = re.compile(r"[A-Z][a-z]{2} ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{8,15}) (\S{1,6}) \[s=[0-9a-f]+;i=[0-9a-f]+;")


class Entry(NamedTuple):
    """One entry; ``line`` is None where it is no line of a log: the names of the columns."""

    number: int  # of its first physical line
    offset: int
    physical: int
    line: str | None
    fields: dict[str, str]


class Form(Protocol):
    """How entries are written.  Mutable: gathers the physical lines of one."""

    carrier: str
    held: list[Held]

    def feed(self, held: Held) -> tuple[list[Entry], bool]:
        """Take a physical line; returns the entries that it ends, and whether it is part of the form."""

    def close(self) -> list[Entry]:
        """The entry that is open, if it is whole; else its lines stay held."""


def form_of(number: int, text: str) -> Form | None:
    """The form that begins with this line."""
    if text.startswith("__CURSOR="):
        return _Export()
    if text[-1:] == "]" and _VERBOSE.match(text):
        return _Verbose()
    if number == 1 and "," in text and len(text) < 10_000 and not is_klog(text):
        names = [name.strip().lower() for name in _cells(text)]
        line = next((name for name in _LINE_COLUMNS if name in names), None)
        if line is not None and 1 < len(names) <= MAX_COLUMNS and all(len(name) < 100 for name in names):
            return _Table(names, names.index(line))
    return None


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return []


class _Table:
    carrier = "csv"

    def __init__(self, names: Sequence[str], line: int) -> None:
        self.held: list[Held] = []
        self._names = names
        self._line = line
        self._begun = False

    def feed(self, held: Held) -> tuple[list[Entry], bool]:
        self.held.append(held)
        text = "\n".join(one[2] for one in self.held)
        if text.count('"') % 2:  # a cell goes on in the next line
            return [], len(self.held) < MAX_LINES
        cells = _cells(text)
        if not self._begun:
            self._begun = True
            return [self._entry(None, {})], True
        if not text:
            return [self._entry(None, {})], True
        if len(cells) != len(self._names):
            return [], False
        return [self._entry(cells[self._line], dict(zip(self._names, cells, strict=True)))], True

    def _entry(self, line: str | None, fields: dict[str, str]) -> Entry:
        held, self.held = self.held, []
        return Entry(held[0][0], held[0][1], len(held), line, fields)

    def close(self) -> list[Entry]:
        return []


class _Journal:
    """Fields, one a line, of an entry of systemd's journal."""

    carrier = "journald"

    def __init__(self) -> None:
        self.held: list[Held] = []
        self._fields: dict[str, str] = {}
        self._name = ""

    def _take(self, held: Held, text: str) -> bool:
        self.held.append(held)
        if match := _FIELD.fullmatch(text):
            self._name = match[1]
            self._fields.setdefault(self._name, match[2])
        elif self._name:
            self._fields[self._name] += f"\n{text}"
        return len(self.held) < MAX_LINES and not is_klog(text)

    def close(self) -> list[Entry]:
        held, self.held, fields, self._fields, self._name = self.held, [], self._fields, {}, ""
        return [Entry(held[0][0], held[0][1], len(held), fields.get("MESSAGE"), fields)] if held else []


class _Export(_Journal):
    def feed(self, held: Held) -> tuple[list[Entry], bool]:
        if held[2]:
            return [], self._take(held, held[2])
        self.held.append(held)
        return self.close(), True


class _Verbose(_Journal):
    def feed(self, held: Held) -> tuple[list[Entry], bool]:
        text = held[2]
        if text.startswith("    "):
            return [], self._take(held, text.lstrip(" "))
        ended = self.close()
        if match := _VERBOSE.match(text):
            self.held.append(held)
            self._fields["time"] = match[1] + ("Z" if match[2] == "UTC" else "")
            return ended, True
        return ended, not text
