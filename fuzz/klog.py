"""klog's grammar: every line is in one record, and no record says what its lines do not."""

from __future__ import annotations

from fuzz.frames import deframed
from logscan.klog import MAX_TEXT, Parser
from logscan.model import RECORD_KINDS, Record, Severity


def one(data: bytes) -> None:
    """Join the lines of any bytes into records."""
    lines, tally, _ = deframed([data])
    parser = Parser(reference=1_784_541_232_000_000, input="fuzz.log")
    records: list[Record] = []
    for line in lines:
        records += parser.feed(line)
    records += parser.close()
    assert sum(record.lines for record in records) == tally.lines
    for record in records:
        assert record.kind in RECORD_KINDS
        assert 1 <= record.line <= record.end_line <= tally.lines
        assert (record.time is None) == (record.time_source == "none")
        assert record.severity is None or record.severity in Severity
        assert len(record.message) <= MAX_TEXT + len(data)
        (record.header + record.message + (record.alternate or "")).encode()
