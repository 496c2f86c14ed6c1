"""The whole way: bytes in, a report out, in every format; counts add up and nothing of the log acts on who reads it."""

from __future__ import annotations

import io
from functools import cache

from logscan import rules, scan
from logscan.report import WRITERS, json_reader, json_v1
from logscan.rules import RuleSet
from logscan.sources import Source

NOW = 1_784_541_232_000_000
# What a terminal or a program may take for a command; line ends are ours.
CONTROL = {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u2028", "\u2029", "\u202e"} - {
    "\n",
    "\t",
    "\r",
}


@cache
def built_in() -> RuleSet:
    """The rules, read once."""
    return rules.load(())


def scanned(chunks: list[bytes]) -> scan.Scanner:
    """A scanner that has read an input."""
    scanner = scan.Scanner(built_in(), scan.Options(reference=NOW, jobs=1))
    scanner.read(Source("fuzz.log", NOW, iter(chunks)))
    return scanner


def one(data: bytes) -> None:
    """Diagnose any bytes."""
    report = scanned([data] if data else []).report()
    counts = report.counts
    assert counts.problems == counts.matched + counts.benign + counts.unrecognised
    assert sum(one.bytes for one in report.inputs) == len(data)
    assert counts.records == sum(one.records for one in report.inputs)
    assert report.calls.failed <= report.calls.total
    assert not report.errors
    out = io.StringIO()
    json_v1.write(report, out)
    assert json_reader.read(out.getvalue().encode(), "report.json") == report
    name = sorted(WRITERS)[len(data) % len(WRITERS)]
    shown = io.StringIO()
    WRITERS[name](report, shown, width=80, color=False)
    assert not CONTROL & set(shown.getvalue()), name
    shown.getvalue().encode()
    if len(data) % 2:
        half = len(data) // 2
        again = scanned([part for part in (data[:half], data[half:]) if part]).report()
        assert again == report
