"""Calls that went well, as a run of them is told in one word.

Most of a log says of call after call that nothing is wrong.  A *certificate* holds what
reading one such call does to the books of the engine; it is made by letting the engine read
one (see scan.py), never written by hand, and stands for all calls that print the same lines
from the same places of the source.  A *run* is a stretch of whole calls under certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

from logscan.model import Call, Finding, Record, Severity

MAX_BLOCK = 16 << 10  # bytes of one call's lines
MAX_BLOCK_LINES = 64
HEAD = 30  # characters of a header up to the process id and the blank behind it

# What stands before and after the name of the volume, in one of the call's lines.
_MARKS: tuple[tuple[bytes, bytes], ...] = (
    (b'"name":"', b'"'),
    (b"/volumes/kubernetes.io~csi/", b"/"),
    (b'"csi.storage.k8s.io/pv/name":"', b'"'),
    (b" unmounting /tmp/", b"\n"),
)
_TARGET = b'"target_path":"'


Works = tuple[tuple[str, str], tuple[str, ...]]  # ((server, path), versions mounted): see calls.Works


class Told(NamedTuple):
    """What is known of one line of a call, beside its text."""

    file: str
    source_line: int
    message: str  # of the call that the certificate was made from
    header: int  # characters before the message
    severity: Severity | None
    bound: bool  # the Tracker knows it as the call's
    rules: tuple[str, ...]  # ids of those that it bears the signature of
    read: bool  # its message is not what stands in the line: it was structured


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one call without trouble does to the books."""

    method: str
    lines: int
    texts: tuple[int, ...]  # lines whose messages decide what rules find and what works, but for the volume's name
    windows: tuple[tuple[int, bytes, int], ...]  # (line, literal, bytes from it on that decide what rules find)
    bodies: tuple[int, ...]  # lines of requests and responses
    named: bool  # its response says whose it is; else it is "{}", which could be another's
    role: str
    problems: int  # records of severity W
    benign: Mapping[str, int]  # records, by the rule that knows them
    benign_problems: int
    told: tuple[Told, ...]  # of each line
    seen: set[bytes] = field(default_factory=set)  # ``texts`` and ``windows`` that were met in this input
    works: dict[bytes, tuple[Works, ...]] = field(default_factory=dict)  # what those that were ever met show to work


@dataclass(slots=True)
class Run:
    """Calls that follow each other without a line between, one per entry of the lists.

    Their stamps never go back and are of one month.  ``fetch`` gives the lines of one call.
    """

    start: int  # offset in the input
    size: int  # bytes
    lines: int
    first: str  # the first header, HEAD characters of it
    last: str  # the same of the last line
    longest: int  # characters of the longest line
    width: int  # characters of the last line
    certificates: Sequence[Certificate]  # that ``kinds`` points into
    works: list[Works]  # what they show to work, and the runs before did not
    kinds: list[int]
    names: list[str]
    offsets: list[int]  # of the calls, in the input; one more at the end
    fetch: Callable[[int, int], bytes]  # (offset, size) -> bytes
    lasting: bool = False  # fetch serves as long as the program runs
    cut: Any = None  # what a Listener made of the lines

    def __len__(self) -> int:
        return self.size

    def apart(self, names: set[str]) -> Iterator[bytes | Run]:
        """The same, with the calls of some volumes as lines that are to be read."""
        if not names:
            yield self
            return
        start = 0
        for end, name in enumerate([*self.names, ""]):
            if name and name not in names:
                continue
            if end > start:
                yield self._part(start, end)
            if name:
                yield self.fetch(self.offsets[end], self.offsets[end + 1] - self.offsets[end])
            start = end + 1

    def _part(self, start: int, end: int) -> Run:
        offset, size = self.offsets[start], self.offsets[end] - self.offsets[start]
        lines = self.fetch(offset, size).decode("ascii").split("\n")
        last = lines[-2]
        return replace(
            self, start=offset, size=size, lines=len(lines) - 1, first=lines[0][:HEAD], last=last[:HEAD],
            longest=max(map(len, lines)), width=len(last), kinds=self.kinds[start:end], names=self.names[start:end],
            offsets=self.offsets[start : end + 1], cut=None,
        )  # fmt: skip

    def places(self) -> list[bytes | int]:
        """Of each call what ``fetch`` needs, or its lines where they cannot be had later."""
        if self.lasting:
            return list(self.offsets[:-1])
        return [self.fetch(start, end - start) for start, end in pairwise(self.offsets)]

    def text(self) -> bytes:
        """All its lines."""
        return self.fetch(self.start, self.size)


def unfetched(offset: int, size: int) -> bytes:
    """The ``fetch`` of a run that is on its way from another process."""
    raise AssertionError((offset, size))


@dataclass(frozen=True, slots=True)
class Narrowed:
    """An input that was narrowed elsewhere: as a Source, but what came of its bytes."""

    name: str
    mtime: int | None  # µs since the epoch
    pieces: Iterator[bytes | Run]  # may raise SourceError after it has yielded what is readable
    twin: Any = None  # see sources.Twin


class Probe(NamedTuple):
    """What the engine made of the lines of one call, read by themselves."""

    records: Sequence[Record]
    findings: Sequence[Sequence[Finding]]  # of each record
    bound: Sequence[bool]  # of each record, whether it belongs to a call
    hits: Sequence[Sequence[str]]  # literals in each record
    calls: Sequence[Call]  # that ended
    clean: bool  # no call is open, no incident was made, nothing is waiting
    role: str
    total: Mapping[str, int]
    names: Sequence[str]  # of volumes
    works: Sequence[Works]
    benign: Mapping[str, int]
    problems: int
    benign_problems: int
    idle: Callable[[str], bool]  # whether a literal's rules are nothing to a call that ended


def certify(block: bytes, probe: Probe, width_of: Callable[[str], int]) -> Certificate | None:
    """Read out of *probe* what a call such as *block* does; None if it is not one that went well, and no more."""
    lines = block.count(b"\n")
    records = probe.records
    if not probe.clean or len(records) != lines or len(probe.calls) != 1 or len(probe.names) != 1:
        return None
    call, name = probe.calls[0], probe.names[0]
    if call.outcome != "ok" or call.volume is None or probe.total != {call.method: 1} or call.end != records[-1].time:
        return None
    if any(record.kind != "klog" or record.lines != 1 or record.alternate is not None for record in records):
        return None
    if name_in(block) != name.encode():
        return None
    checks = [
        (line, literal.encode(), width_of(literal))
        for line, literals in enumerate(probe.hits)
        for literal in literals
        if not probe.idle(literal)
    ]
    mounts = [
        line for line, record in enumerate(records)
        if probe.works and record.message.startswith(("Mounting cmd", "volume(", "NodePublishVolume: "))
    ]  # fmt: skip
    # What a first line announces, and what may be structured, is decided by the whole text.
    texts = tuple(sorted(
        {line for line, _, width in checks if not width}.union(mounts, [0])
        | {line for line, record in enumerate(records) if record.message[:1] == '"' or record.fields is not None}
    ))  # fmt: skip
    windows = tuple(check for check in checks if check[2] and check[0] not in texts)
    bodies = tuple(
        line for line, record in enumerate(records) if record.message.startswith(("GRPC request: ", "GRPC response: "))
    )
    return Certificate(
        call.method, lines, texts, windows, bodies,
        not records[-1].message.startswith("GRPC response: {}"), probe.role, probe.problems, probe.benign, probe.benign_problems,
        tuple(
            Told(record.file, record.source_line, record.message, len(record.header), record.severity, bound,
                 tuple(sorted(finding.rule.id for finding in found)), record.fields is not None)
            for record, found, bound in zip(records, probe.findings, probe.bound, strict=True)
        ),
    )  # fmt: skip


def name_in(block: bytes) -> bytes:
    """The name of the volume of a call, b"" where it cannot be told safely."""
    for before, after in _MARKS:
        start = block.find(before) + len(before)
        if start >= len(before):
            name = block[start : block.find(after, start)]
            return name if is_safe(name) else b""
    return b""


def target_in(block: bytes) -> bytes:
    """The target path of a node's call, b"" where there is none."""
    start = block.find(_TARGET) + len(_TARGET)
    return block[start : block.find(b'"', start)] if start >= len(_TARGET) else b""


def is_safe(name: bytes) -> bool:
    """Whether a volume's name cannot be part of another word: it ends with a UUID, as provisioners make them."""
    return len(name) >= 36 and name[-13:-12] == b"-" and name[-18:-17] == b"-" and name[-28:-27] == b"-"
