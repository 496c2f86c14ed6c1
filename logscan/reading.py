"""One input that is read as it comes: bytes in, records out, and it can be asked at any time what there is."""

from __future__ import annotations

from collections.abc import Callable

from logscan import events, frames, klog, sources
from logscan.model import Record


class Reading:
    """The way of one input's bytes to its records; where the bytes are cut changes nothing.

    Args:
        name: of the input.
        reference: µs since the epoch, the latest time that its first stamp can have.
        printed: µs since the epoch, when tables of events in it were printed; None where nobody knows.
        take: gets the records, in the order in which they are closed.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[Record], None],
        *,
        reference: int,
        year: int | None = None,
        zone: int = 0,
        printed: int | None = None,
    ) -> None:
        self.name = name
        self.tally = sources.Tally()
        self.deframer = frames.Deframer(name, reference=reference, zone=zone)
        self._take = take
        self._splitter = sources.Splitter(self.tally)
        self._parser = events.Reader(
            klog.Parser(reference=reference, year=year, zone=zone, input=name), reference=printed
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, of whatever length."""
        for number, offset, raw in self._splitter.feed(chunk):
            self._line(number, offset, raw)

    def close(self) -> None:
        """The input is over: what was open is closed."""
        for number, offset, raw in self._splitter.close():
            self._line(number, offset, raw)
        for line in self.deframer.close():
            for record in self._parser.feed(line):
                self._take(record)
        for record in self._parser.close():
            self._take(record)

    def _line(self, number: int, offset: int, raw: bytes) -> None:
        for line in self.deframer.feed(number, offset, raw):
            for record in self._parser.feed(line):
                self._take(record)
