"""Follow logs: read what comes, judge when something changed, tell what became of the diagnoses.

There is one engine: what has been read is judged by ``peek`` as if the log ended here, and when it does end, by the
scanner itself.  A judgement takes at most a quarter of the time, however much there is to judge.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from logscan import peek
from logscan.ledger import Ledger
from logscan.model import Happening, Report, Severity
from logscan.reading import Reading
from logscan.scan import Scanner, only
from logscan.sorting import MAX_EVIDENCE, evidence_in, may_be_evidence
from logscan.sources import open_sources, open_stream
from logscan.tail import Piece, Tail

SETTLED = 0.3  # seconds of silence after which the last line is taken for all of its record
AT_MOST = 0.5  # seconds between two judgements of a log that says something new
AT_LEAST = 5.0  # seconds between two of one that only goes on: calls begin to hang, troubles to be over
SHARE = 4  # a judgement may take a quarter of the time


@dataclass(slots=True)
class _Input:
    """One input that is followed.  Mutable."""

    reading: Reading | None = None
    held: list[bytes] = field(default_factory=list)  # of what may turn out to be no log
    size: int = 0
    fed: float = 0.0  # when bytes came last
    piped: bool = False
    settled: bool = True


class Follower:
    """Follows what *tail* brings, with *scanner*, whose options should bound its memory (``newest``).

    Args:
        lowest: the least severity of diagnoses that are told.
    """

    def __init__(self, scanner: Scanner, tail: Tail, lowest: Severity = Severity.INFO) -> None:
        self.scanner = scanner
        self._lowest = lowest
        self.ledger = Ledger()
        self.report: Report | None = None  # the last judgement
        self.judgements = 0
        self.judging = 0.0  # seconds that they took
        self._tail = tail
        self._inputs: dict[str, _Input] = {}
        self._judged = -1  # scanner.changes
        self._records = -1
        self._next = 0.0  # when the next judgement may be
        self._last = time.monotonic()
        self._unsettled = False  # a record was closed by silence since the last judgement

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self._tail.over

    def step(self, wait: float = 0.2) -> Iterator[list[Happening]]:
        """Read what comes within *wait* seconds; yields what became of the diagnoses, often nothing."""
        for piece in self._tail.poll(min(wait, self._due())):
            if piece.error is not None:
                self.scanner.unread(piece.error)
            elif piece.data:
                self._feed(piece)
            else:
                self._end(piece.name, piped=piece.piped)
            yield self._judge_if_due()
        while self._tail.unfollowed:
            for source in open_sources([self._tail.unfollowed.pop()], skipped=self.scanner.skipped):
                self.scanner.read(source)
        while self._tail.packed:
            for source in open_stream(*self._tail.packed.pop(), self.scanner.skipped):
                self.scanner.read(source)
        self._settle()
        yield self._judge_if_due()

    def close(self, *, interrupted: bool = False) -> tuple[Report, list[Happening]]:
        """The log is over, or the user has seen enough: the report on all of it, and what it changes."""
        self._tail.close()
        for name in list(self._inputs):
            self._end(name)
        self.report = self.scanner.report(interrupted=interrupted)
        return self.report, self.ledger.update(only(self.report, self._lowest), _now(), final=True)

    # ------------------------------------------------------------ reading

    def _feed(self, piece: Piece) -> None:
        name, data = piece.name, piece.data
        one = self._inputs.get(name)
        if one is None:
            one = self._inputs[name] = _Input(piped=piece.piped)
        one.fed, one.settled = time.monotonic(), False
        if one.reading is None:
            one.held.append(data)
            one.size += len(data)
            # What its first bytes do not betray as evidence is a log; what they do, is read to its end first.
            if one.size <= MAX_EVIDENCE and may_be_evidence(one.held[0]):
                return
            self._begin(name, one)
        else:
            one.reading.feed(data)

    def _begin(self, name: str, one: _Input) -> Reading:
        one.reading = self.scanner.begin(name, _now())
        for data in one.held:
            one.reading.feed(data)
        one.held.clear()
        return one.reading

    def _end(self, name: str, *, piped: bool = False) -> None:
        one = self._inputs.pop(name, None)
        if one is None:
            # A pipe that held nothing is an input too.
            if piped:
                self.scanner.end(self.scanner.begin(name, _now()))
            return
        if one.reading is None:
            data = b"".join(one.held)
            if kind := evidence_in(data, name):
                self.scanner.evidence(name, kind, data)
                return
            self._begin(name, one)
        assert one.reading is not None
        self.scanner.end(one.reading)
        self.scanner.changes += 1

    def _settle(self) -> None:
        now = time.monotonic()
        for name, one in self._inputs.items():
            if one.settled or now - one.fed < SETTLED:
                continue
            one.settled = self._unsettled = True
            if one.reading is None:
                data = b"".join(one.held)
                if kind := evidence_in(data, name):
                    if not one.piped:
                        # A file of that kind is read once; what comes later would be another.
                        self.scanner.evidence(name, kind, data)
                        one.held.clear()
                    continue
                self._begin(name, one)

    # ------------------------------------------------------------ judging

    def _due(self) -> float:
        """Seconds until there may be something to judge."""
        now = time.monotonic()
        times = [one.fed + SETTLED - now for one in self._inputs.values() if not one.settled]
        if self._unsettled or self._judged != self.scanner.changes:
            times.append(self._next - now)
        return max(0.0, min(times, default=1.0))

    def _judge_if_due(self) -> list[Happening]:
        now = time.monotonic()
        if now < self._next:
            return []
        news = self._unsettled or self._judged != self.scanner.changes
        if not news and (now - self._last < AT_LEAST or self._records == self.scanner.records):
            return []
        return self._judge(now)

    def _judge(self, now: float) -> list[Happening]:
        readings = [one.reading for one in self._inputs.values() if one.reading is not None]
        settled = [one.reading for one in self._inputs.values() if one.reading is not None and one.settled]
        self._judged, self._records, self._unsettled = self.scanner.changes, self.scanner.records, False
        self.report = peek.report(self.scanner, readings, settled)
        self.scanner.watched = {
            volume.name
            for diagnosis in self.report.diagnoses
            if not diagnosis.recovered
            for volume in diagnosis.volumes
        }
        self._last = time.monotonic()
        cost = self._last - now
        self._next = now + max(AT_MOST, SHARE * cost)
        self.judgements += 1
        self.judging += cost
        return self.ledger.update(only(self.report, self._lowest), _now())


def _now() -> int:
    """µs since the epoch."""
    return time.time_ns() // 1_000
