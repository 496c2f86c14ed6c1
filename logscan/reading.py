"""One input that is read as it comes: bytes in, records out, and it can be asked at any time what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from logscan import events, frames, klog, sources
from logscan.errors import SourceError
from logscan.model import Line, Origin, Record
from logscan.order import Order
from logscan.pasted import Pasted
from logscan.quiet import Run

ENDLESS = 1 << 30  # bytes of a line that no log has


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
        self.pasted = Pasted()
        self._take = take
        self._order = Order()
        self._splitter = sources.Splitter(self.tally)
        self._parser = events.Reader(
            klog.Parser(reference=reference, year=year, zone=zone, input=name), reference=printed
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, of whatever length."""
        self.pasted.feed(chunk)
        for number, offset, raw in self._splitter.feed(chunk):
            self._line(number, offset, raw)

    def settle(self) -> Origin | None:
        """Close what a bare line of klog would close that came next; returns whose it would be, None: it may be part of something."""
        origin = self.deframer.origin() if self._order.known else None
        if origin is not None:
            for record in self._parser.flush(origin):
                self._take(record)
        return origin

    def pass_over(self, origin: Origin, run: Run) -> tuple[int | None, int | None, tuple[int | None, int, str]]:
        """Go on behind a run whose lines are not read; returns when it began and ended, and how that was dated."""
        self.pasted.give_up()
        self._splitter.skip(run.lines, run.size)
        self.deframer.pass_over(run.lines)
        closed, first, last = self._parser.pass_over(origin, run)
        for record in closed:
            self._take(record)
        return first, last, self._parser.dating(origin)

    def close(self) -> None:
        """The input is over: what was open is closed."""
        for number, offset, raw in self._splitter.close():
            self._line(number, offset, raw)
        self._parse(self._order.feed(self.deframer.close()))
        self._parse(self._order.close())
        for record in self._parser.close():
            self._take(record)

    def _line(self, number: int, offset: int, raw: bytes) -> None:
        lines = self.deframer.feed(number, offset, raw)
        self._parse(lines if self._order.known else self._order.feed(lines))

    def _parse(self, lines: list[Line]) -> None:
        for line in lines:
            for record in self._parser.feed(line):
                self._take(record)


P = TypeVar("P", bound="bytes | Run")


def with_lines(pieces: Iterable[P], name: str) -> Iterator[P]:
    """*pieces* of the input *name* until one line of it takes too long to end.

    Raises:
        SourceError: it does, as a hole in a file or a device of zeros would.
    """
    length = 0
    for piece in pieces:
        yield piece
        if not isinstance(piece, bytes):
            length = 0
            continue
        end = piece.rfind(b"\n")
        length = length + len(piece) if end < 0 else len(piece) - end - 1
        if length >= ENDLESS:
            problem = f"has a line of more than {ENDLESS >> 20} MiB; what comes after it is not read"
            raise SourceError(name, problem, "a log has shorter lines; check what wrote this file")
