"""Events in every shape that kubectl prints: no line is lost between them and klog's records."""

from __future__ import annotations

from logscan.model import RECORD_KINDS, Record
from logscan.reading import Reading


def read(chunks: list[bytes]) -> tuple[list[Record], Reading]:
    """The records of an input."""
    records: list[Record] = []
    now = 1_784_541_232_000_000
    reading = Reading("fuzz.log", records.append, reference=now, printed=now)
    for chunk in chunks:
        reading.feed(chunk)
    reading.close()
    return records, reading


def one(data: bytes) -> None:
    """Read any bytes as what kubectl may have printed."""
    records, reading = read([data])
    assert sum(record.lines for record in records) == reading.tally.lines
    for record in records:
        assert record.kind in RECORD_KINDS
        assert record.line <= record.end_line
        if record.kind == "event":
            assert record.fields is not None
            assert int(record.fields.get("count", "1")) >= 0
            assert all(isinstance(value, str) for value in record.fields.values())
    third = len(data) // 3
    assert read([data[:third], data[third:]])[0] == records
