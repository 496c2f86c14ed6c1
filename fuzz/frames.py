"""Framings: every physical line comes out once, as text that can be written, however the bytes are cut."""

from __future__ import annotations

from logscan.frames import CARRIERS, Deframer
from logscan.model import Line
from logscan.sources import Splitter, Tally


def deframed(chunks: list[bytes]) -> tuple[list[Line], Tally, Deframer]:
    """The lines of an input that comes in *chunks*."""
    tally, deframer = Tally(), Deframer("fuzz.log", reference=1_784_541_232_000_000)
    splitter = Splitter(tally)
    lines: list[Line] = []
    for chunk in chunks:
        for number, offset, raw in splitter.feed(chunk):
            lines += deframer.feed(number, offset, raw)
    for number, offset, raw in splitter.close():
        lines += deframer.feed(number, offset, raw)
    return lines + deframer.close(), tally, deframer


def one(data: bytes) -> None:
    """Take any bytes out of their framing."""
    lines, tally, deframer = deframed([data])
    physical = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    assert tally.lines == physical
    assert tally.bytes == len(data)
    assert sum(line.physical for line in lines) == physical
    assert deframer.carriers.total() == physical
    assert deframer.carriers.keys() <= set(CARRIERS)
    for line in lines:
        assert 1 <= line.number <= physical
        assert 0 <= line.offset <= len(data)
        assert not {"\n", "\0", "\x1b"} & set(line.text)
        line.text.encode()
    half = len(data) // 2
    assert deframed([data[:half], data[half:]])[0] == lines
