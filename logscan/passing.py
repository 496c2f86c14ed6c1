"""What the engine makes of one call that is read by itself.

So a certificate is made (see quiet.py), and so a volume learns in the end what calls told that
were passed over: with the same parser, rules and books as everything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from logscan import frames, klog, match
from logscan.calls import Tracker
from logscan.errors import SourceError
from logscan.incidents import Collector
from logscan.match import Engine
from logscan.model import Call, Finding, Record, Rule, Severity, Volume
from logscan.quiet import Probe, Run
from logscan.volumes import Asleep

if TYPE_CHECKING:
    from logscan.narrow import Narrower

NARROW_FROM = 1 << 20  # bytes of an input; below, numpy costs more than it saves
NARROW_AGAIN = 16 << 10  # the same where an earlier input had so much: numpy is there, and sorts of calls are known
LEARN_FROM = 4 << 20  # bytes that have shown most sorts of calls, before processes narrow the rest
_ANY_YEAR = 2000  # a leap year: every date of a header is one


def enter(
    record: Record, findings: list[Finding], tracker: Tracker, collector: Collector
) -> tuple[Call | None, Sequence[Call]]:
    """Enter one record into the books; returns the call that it belongs to, and the calls that ended with it."""
    call = tracker.feed(record)
    collector.clock = tracker.clock
    ended = tracker.take_ended() if tracker.ended else ()
    if findings or (record.severity is not None and record.severity >= Severity.WARNING):
        if ended and call is not None and any(call is one for one in ended):
            collector.expect(call)
        collector.add(record, findings, call)
    for one in ended:
        collector.end(one, *tracker.stream_of(one.origin))
    return call, ended


class Passer:
    """Reads calls by themselves, for a Narrower and for volumes that slept."""

    def __init__(self, engine: Engine, healers: frozenset[str]) -> None:
        self._engine = engine
        self._healers = healers
        self._narrower: Narrower | None = None
        self.around: Callable[[Iterator[bytes | Run]], Iterator[bytes | Run]] = (
            iter  # what processes read goes through it
        )

    def pieces(
        self,
        path: str | None,
        chunks: Iterator[bytes],
        jobs: int | None,
        prepare: Callable[[Sequence[Run]], None] | None,
    ) -> Iterator[bytes | Run]:
        """What is to be read of an input, and runs of calls of which it is enough to know that they went well.

        Args:
            path: of the regular file whose bytes *chunks* are, if they are one's.
            jobs: processes for a large file; None: one per core, up to 8.
            prepare: see listening.Listener.

        Raises:
            SourceError: of *chunks*, once what came before has been yielded.
        """
        size = 0
        known = self._narrower is not None and bool(self._narrower.certificates)
        if known:
            chunks = _first_cut(chunks, NARROW_AGAIN)
        for chunk in chunks:
            yield chunk
            size += len(chunk)
            if size >= (NARROW_AGAIN if known else NARROW_FROM):
                break
        else:
            return
        narrower = self.learned().begin(size, inside=not chunk.endswith(b"\n"))
        fault: SourceError | None = None
        try:
            for chunk in chunks:
                yield from narrower.feed(chunk)
                size += len(chunk)
                if path is not None and (known or size >= LEARN_FROM):
                    rest, path = _ranged(path, size, narrower, jobs, prepare), None
                    if rest is not None:
                        yield from self.around(rest)
                        return
        except SourceError as error:
            fault = error
        yield from narrower.close()
        if fault is not None:
            raise fault

    def learned(self) -> Narrower:
        """The narrower that has learnt of the calls of all inputs before."""
        if self._narrower is None:
            self._narrower = self.fresh()
        return self._narrower

    def fresh(self) -> Narrower:
        """A narrower that has learnt of no call yet: what it makes of a log depends on that log alone."""
        from logscan.narrow import Narrower  # numpy: 0.1 s of a start, for what only large logs need

        return Narrower(tuple(self._engine.by_literal), self.probe, self._width_of)

    def probe(self, block: bytes) -> Probe:
        """Let the engine read the lines of one call."""
        tracker, collector = Tracker(), Collector(self._healers)
        records = list(_records(block, _ANY_YEAR, 0))
        findings = [self._engine.match(record) for record in records]
        ended: list[Call] = []
        bound: list[bool] = []
        for record, found in zip(records, findings, strict=True):
            call, over = enter(record, found, tracker, collector)
            ended += over
            bound.append(call is not None)
        names = tracker.volumes.names()
        return Probe(
            records, findings, bound, [self._engine.literals_in(record.message) for record in records], ended,
            tracker.at_rest() and tracker.volumes.plain() and collector.at_rest(),
            tracker.stream_of(records[-1].origin)[0] if records else "", dict(tracker.total), names,
            [(key, tuple(sorted(versions))) for key, versions in tracker.works.items()],
            dict(collector.benign), collector.problems, collector.benign_problems, self._is_idle,
        )  # fmt: skip

    @staticmethod
    def waken(name: str, calls: Sequence[Asleep]) -> Volume:
        """The volume as it would be, had its calls been read when their turn came."""
        tracker = Tracker()
        for place, size, clock, year, zone, fetch, origin in calls:
            block = place if isinstance(place, bytes) else fetch(place, size)
            records = list(_records(block, year, zone))
            tracker.clock = clock - len(records)
            for record in records:
                tracker.feed(record._replace(origin=origin))
        return tracker.volumes.known(name) or Volume(name)

    def _is_idle(self, literal: str) -> bool:
        """Whether the rules of a literal are nothing to a call that ended well."""
        return all(match.needs_open_call(rule.when) for rule, _ in self._engine.by_literal[literal])

    def _width_of(self, literal: str) -> int:
        """How many bytes from the literal on decide whether its patterns match; 0: that is not bounded."""
        widths = [
            len(literal) if signature.pattern is None else _width(signature.pattern, literal)
            for _, signature in self._engine.by_literal[literal]
        ]
        return max(widths) if all(widths) else 0


def _first_cut(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same, but of the first one *size* bytes come before the others."""
    for chunk in chunks:
        yield chunk[:size]
        if len(chunk) > size:
            yield chunk[size:]
        break
    yield from chunks


def _ranged(
    path: str, read: int, narrower: Narrower, jobs: int | None, prepare: Callable[[Sequence[Run]], None] | None
) -> Iterator[bytes | Run] | None:
    """The rest of a file, narrowed by processes; None if it is too small for that."""
    from logscan import forks, ranges

    if jobs is None:
        jobs = forks.cores()
    try:
        size = Path(path).stat().st_size
    except OSError:
        return None
    if jobs < 2 or size - read < ranges.WORTH:
        return None
    start, inside = narrower.release()
    return ranges.pieces(path, start, narrower, inside=inside, jobs=jobs, prepare=prepare)


def _records(block: bytes, year: int | None, zone: int) -> Iterator[Record]:
    deframer = frames.Deframer("")
    parser = klog.Parser(reference=0, year=year, zone=zone // 60_000_000)
    for number, raw in enumerate(block.split(b"\n")[:-1], 1):
        for line in deframer.feed(number, 0, raw):
            yield from parser.feed(line)
    for line in deframer.close():
        yield from parser.feed(line)
    yield from parser.close()


# What looks beyond the text that it matches.
_LOOKS = re.compile(r"\(\?(?!P<|:)|\\[^dDsSwW.\"'/()\[\]{}+*?|-]|[$^]")


@lru_cache(maxsize=1024)  # asked anew for each sort of call, and in each file
def _width(pattern: str, literal: str) -> int:
    """How far a pattern that begins with *literal* can reach, and one more byte; 0 where it does not, or without bound."""
    begins = [start for start in (literal, re.escape(literal)) if pattern.startswith(start)]
    if not begins or _LOOKS.search(pattern.removeprefix(begins[0])):
        return 0
    try:
        compiled = re.compile(pattern)
    except re.error:  # the rules' regex knows more than this one
        return 0
    from re import _parser  # type: ignore[attr-defined]  # the only place that tells a pattern's width

    widest = int(_parser.parse(pattern, compiled.flags).getwidth()[1])
    return widest + 1 if widest < _UNBOUNDED else 0


_UNBOUNDED = 256


def healers(engine_rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that others wait for: what they tell of ends, or changes, the others' trouble."""
    found: set[str] = set()
    for rule in engine_rules.values():
        found.add(rule.resolved_by)
        for condition in (rule.when, *(cause.when for cause in rule.causes)):
            found |= match.followers(condition)
    return frozenset(found)
