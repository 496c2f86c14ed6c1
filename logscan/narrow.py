"""Which lines of a log the engine need not see, because they say of calls that all went well.

One pass over each chunk with numpy finds the lines, the calls and what kind of lines each
call prints; one scan for a few short *atoms*, one of which is part of every rule's literal,
finds what a rule could say something about.  What is left of a healthy call is then a look-up:
its kind is known (a certificate, made by the engine itself) or it is not.  Everything else goes
to the engine as it stands: this file may overlook a healthy call, it never judges one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from logscan import heads
from logscan.quiet import (
    HEAD,
    MAX_BLOCK,
    MAX_BLOCK_LINES,
    Certificate,
    Probe,
    Run,
    Works,
    certify,
    name_in,
    target_in,
)

UNIT = 1 << 18  # bytes looked at in one go: they stay in the processor's cache, and malloc keeps their memory
MAX_HELD = 1 << 20  # bytes of one unfinished call
MAX_KINDS = 4_096  # sorts of calls; a log that has more is not of the kind that this file is for
MAX_SEEN = 4_096  # per certificate
MAX_MISSES = 512  # probes of one certificate, beyond a sixteenth of its calls
ATOM = 4  # characters: few enough that rules share them, enough to be rare
MAX_SHUNS = 16  # times that atoms which the log's own names hold are given up for others
GROUP = 48  # atoms of one automaton: beyond 64 they are slower by a factor

MANY = 16  # calls of a chunk, of which one can say that many of them hold an atom
MAX_LOOSE = 8  # literals in requests: each doubles the sorts of calls
MAX_TRIES = 8  # calls of one sort

CALL = b"] GRPC call: /"
_CALL_WORD = np.uint64(int.from_bytes(b"GRPC cal", "little"))
_BODY = len("GRPC response: ")
_SPREAD = np.array([pow(0x9E3779B97F4A7C15, n + 1, 1 << 64) | 1 for n in range(MAX_BLOCK_LINES)], np.uint64)
# A request that copies from elsewhere names volumes that are not its own, and what tells a status is no healthy line.
_FOREIGN = ("content_source", "napshot", "rpc error: code = ")

# What a line that is taken as it stands does not hold; see frames.Deframer.feed.
_ODD = (b"\x1b", b"\0", b"\r")
_IS_ODD = np.zeros(256, np.bool_)
_IS_ODD[[0, 13, 27, *range(128, 256)]] = True
_TO_ASCII = bytes(range(128)) + b"?" * 128


@dataclass(slots=True)
class _Kind:
    """A sort of call: its certificate, None if it has none, and how well it serves."""

    certificate: Certificate | None
    index: int = 0  # in Narrower.certificates
    hits: tuple[int, ...] = ()  # literals in it, see Narrower._hits
    tries: int = 0  # calls that were looked at for a certificate: the first may have had trouble of its own
    calls: int = 0
    misses: int = 0


@dataclass(slots=True)
class Narrower:
    """Takes a log apart into runs of calls that went well and the lines that remain.

    Args:
        literals: of all rules.
        probe: lets the engine read the lines of one call.
        width_of: bytes from the literal on that its patterns look at; 0 where that is not bounded.
    """

    literals: Sequence[str]
    probe: Callable[[bytes], Probe]
    width_of: Callable[[str], int]
    certificates: list[Certificate] = field(default_factory=list)
    _works: list[Works] = field(default_factory=list)  # of calls in the run that is being made
    _kinds: dict[int, _Kind] = field(default_factory=dict)
    _fixed: set[str] = field(default_factory=set)  # literals in what the driver says of a healthy call
    _loose: list[bytes] = field(default_factory=list)  # the same, in the requests that it got
    _healthy: list[str] = field(default_factory=list)  # messages of healthy calls: no atom may be part of one
    _atoms: list[tuple[Any, list[str]]] = field(default_factory=list)  # automata, and what they find
    _shuns: int = 0
    _exact: Any = None  # an automaton of all literals
    _fresh: bool = False  # the atoms are up to date
    _waiting: list[bytes] = field(default_factory=list)
    _size: int = 0  # of what waits
    _rest: bytes = b""  # the last call, which may go on
    _offset: int = 0  # of _rest in the input
    _inside: bool = False  # what comes next goes on with a line

    def begin(self, offset: int, *, inside: bool) -> Narrower:
        """Go on to another input, *offset* bytes of which have been read; what was learnt of calls stays.

        Args:
            inside: these bytes end in the midst of a line.
        """
        self._rest, self._offset, self._inside = b"", offset, inside
        for certificate in self.certificates:
            certificate.seen.clear()  # what works is to be told of each input
        return self

    def feed(self, chunk: bytes) -> Iterator[bytes | Run]:
        """Take the next bytes; yields, in the order of the log, what can be told of them by now."""
        self._waiting.append(chunk)
        self._size += len(chunk)
        if self._size >= UNIT:
            yield from self._feed()

    def _feed(self) -> Iterator[bytes | Run]:
        data = b"".join([self._rest, *self._waiting])
        self._rest, self._size = b"", 0
        self._waiting.clear()
        if self._inside:
            end = data.find(b"\n") + 1 or len(data)
            self._inside = not data.endswith(b"\n", 0, end)
            self._offset += end
            yield data[:end]
            data = data[end:]
        cut = data.rfind(CALL)
        cut = data.rfind(b"\n", 0, cut) + 1 if cut > 0 else 0
        if cut:
            yield from self._take(data[:cut], followed=True)
            data = data[cut:]
        if len(data) > MAX_HELD:
            self._offset += len(data)
            self._inside = not data.endswith(b"\n")
            yield data
            data = b""
        self._rest = data

    def release(self) -> tuple[int, bool]:
        """Let go of what is held: the offset of its first byte, and whether that is inside a line."""
        self._rest, self._size = b"", 0
        self._waiting.clear()
        return self._offset, self._inside

    def close(self, *, followed: bool = False) -> Iterator[bytes | Run]:
        """The log is over, or (*followed*) goes on elsewhere with a new call."""
        yield from self._feed()
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._take(rest, followed=followed and rest.endswith(b"\n"))

    # ------------------------------------------------------------ one piece

    def _take(self, data: bytes, *, followed: bool) -> Iterator[bytes | Run]:
        """Take apart *data*, which a new call follows if *followed*."""
        base, self._offset = self._offset, self._offset + len(data)
        end = data.rfind(b"\n") + 1
        body = data if end == len(data) else data[:end]
        if len(body) < heads.MAX_HEAD:
            yield data
            return
        if body.isascii() and not any(byte in body for byte in _ODD):
            found = heads.read(body)
        else:  # the lines that hold such bytes are the engine's
            odd = np.flatnonzero(_IS_ODD[np.frombuffer(body, np.uint8)])
            found = heads.read(body.translate(_TO_ASCII))
            found.known[found.starts.searchsorted(odd, "right") - 1] = False
        at = 0  # up to here all has been yielded
        for run in self._runs(body, base, found, followed=followed):
            if run.start - base > at:
                yield data[at : run.start - base]
            yield run
            at = run.start - base + run.size
        if at < len(data):
            yield data[at:]

    def _runs(self, data: bytes, base: int, found: heads.Heads, *, followed: bool) -> Iterator[Run]:
        """The runs in *data*."""
        known, count = found.known, len(found.starts)
        word = np.zeros(count, np.uint64)  # the first eight bytes of each message
        whole = known & (found.ends - found.message >= 8)
        word[whole] = found.words[found.message[whole]]
        calls = np.flatnonzero(word == _CALL_WORD)
        if not len(calls):
            return
        back = _goes_back(found.stamp)
        bad = ~known | ((found.letter != ord("I")) & (found.letter != ord("W")))
        bad |= back & (word != _CALL_WORD)
        total = np.concatenate([[0], np.cumsum(bad)])
        bounds = np.append(calls, count)
        lengths = np.diff(bounds)
        edges = np.append(found.starts[calls], len(data))
        good = (total[bounds[1:]] == total[calls]) & (lengths >= 3) & (lengths <= MAX_BLOCK_LINES)
        good &= np.diff(edges) <= MAX_BLOCK
        if not followed:
            good[-1] = False  # a line without a header may follow
        position = np.arange(int(calls[0]), count) - np.repeat(calls, lengths)
        kinds = heads.mix(found.place, word)[int(calls[0]) :] * _SPREAD[np.minimum(position, MAX_BLOCK_LINES - 1)]
        month = found.stamp[0][calls] >> np.uint64(40)
        same = np.zeros(len(calls), np.bool_)  # a call goes on with the run of the one before
        same[1:] = (month[1:] == month[:-1]) & ~back[calls[1:]]
        yield from self._calls(data, base, found, _Calls(
            calls.tolist(), edges.tolist(), np.add.reduceat(kinds, calls - calls[0]).tolist(), good.tolist(), same.tolist(),
            self._marked(data, edges), found.message.tolist(), found.ends.tolist(),
        ))  # fmt: skip

    def _calls(self, data: bytes, base: int, found: heads.Heads, calls: _Calls) -> Iterator[Run]:
        """Look each call up, and join those that are known to be well."""
        names: list[str] = []
        kinds: list[int] = []
        opened = 0  # index of the run's first call

        def run(end: int) -> Run:
            nonlocal names, kinds
            first, last = calls.lines[opened], (calls.lines[end] if end < len(calls.lines) else len(calls.ends)) - 1
            start, stop = calls.edges[opened], calls.edges[end]
            longest = int((found.ends[first : last + 1] - found.starts[first : last + 1]).max())
            begins = int(found.starts[last])
            made = Run(
                base + start, stop - start, last + 1 - first,
                data[start : start + HEAD].decode("ascii"),
                data[begins : begins + HEAD].decode("ascii"),
                longest, calls.ends[last] - begins, self.certificates, self._works, kinds, names,
                [base + edge for edge in calls.edges[opened : end + 1]],
                lambda offset, size: data[offset - base : offset - base + size],
            )  # fmt: skip
            names, kinds, self._works = [], [], []
            return made

        for index, usable in enumerate(calls.good):
            if names and not calls.same[index]:
                yield run(index)
            if usable:
                first = calls.lines[index]
                block = data[calls.edges[index] : calls.edges[index + 1]]
                told = self._look_up(
                    block, calls.sorts[index], first, data, calls, marked=calls.marked is None or index in calls.marked
                )
                if told is not None:
                    if not names:
                        opened = index
                    names.append(told[0])
                    kinds.append(told[1])
                    continue
            if names:
                yield run(index)
        if names:
            yield run(len(calls.good))

    def _look_up(
        self, block: bytes, sort: int, first: int, data: bytes, calls: _Calls, *, marked: bool
    ) -> tuple[str, int] | None:
        """(volume, certificate) of a call; None if it is the engine's to read."""
        name = name_in(block)
        if not name:
            return None
        # How often the name stands in it is part of the sort: a line of another volume among them changes that.
        sort |= block.count(name) << 64
        target = target_in(block)
        if target:
            sort |= block.count(target) << 80
        for bit, literal in enumerate(self._loose, 96):
            if literal in block:
                sort |= 1 << bit
        kind = self._kinds.get(sort)
        if kind is None or (kind.certificate is None and kind.tries < MAX_TRIES):
            kind = self._certify(block, sort)
        certificate = kind.certificate
        if certificate is None:
            return None
        if marked and self._hits(block) != kind.hits:
            return None
        kind.calls += 1
        starts, ends = calls.message, calls.ends
        for line in certificate.bodies:
            if data.find(b" ", starts[first + line] + _BODY, ends[first + line]) >= 0:
                return None  # what the driver says of a call may stand in a value that has blanks
        parts = [data[starts[first + line] : ends[first + line]] for line in certificate.texts]
        for line, literal, width in certificate.windows:
            end = ends[first + line]
            here = data.find(literal, starts[first + line], end)
            parts.append(data[here : min(here + width, end)] if here >= 0 else b"")
        key = b"\n".join(parts).replace(name, b"\0")
        if key not in certificate.seen and not self._learn(kind, block, key):
            return None
        return name.decode("ascii"), kind.index

    # ------------------------------------------------------------ what the engine says of a call

    def _certify(self, block: bytes, sort: int) -> _Kind:
        """Let the engine read the first call of its sort."""
        kind = self._kinds.get(sort)
        if kind is None:
            kind = _Kind(None)
            if len(self._kinds) >= MAX_KINDS:
                return kind
            self._kinds[sort] = kind
        kind.tries += 1
        if any(word.encode() in block for word in _FOREIGN):
            return kind
        probe = self.probe(block)
        certificate = certify(block, probe, self.width_of)
        if certificate is None:
            return kind
        for line, literals in enumerate(probe.hits):
            for literal in literals:
                if line in certificate.bodies:
                    if literal.encode() not in self._loose:
                        if len(self._loose) >= MAX_LOOSE:
                            return kind
                        self._loose.append(literal.encode())
                        self._kinds.pop(sort, None)  # that is now the sort of calls without the literal
                        sort |= 1 << (95 + len(self._loose))
                elif " " not in literal:
                    return kind  # it could be part of a path or an option
                else:
                    self._fixed.add(literal)
        self._healthy += [record.message for record in probe.records]
        self._fresh = False
        kind.certificate, kind.index, kind.hits = certificate, len(self.certificates), self._hits(block)
        self.certificates.append(certificate)
        self._kinds[sort] = kind
        return kind

    def _again(self, kind: _Kind, block: bytes) -> Probe | None:
        """Let the engine read another call of a known sort; None if that does not pay, or it is not alike."""
        kind.misses += 1
        if kind.misses > MAX_MISSES + kind.calls // 16:
            kind.certificate, kind.tries = None, MAX_TRIES
            return None
        probe = self.probe(block)
        old, new = kind.certificate, certify(block, probe, self.width_of)
        if old is None or new is None:
            return None
        parts = [
            (one.method, one.texts, one.windows, one.benign, one.problems, one.role, one.named,
             [(told.header, told.severity, told.bound, told.rules, told.read) for told in one.told])
            for one in (old, new)
        ]  # fmt: skip
        return probe if parts[0] == parts[1] else None

    def _learn(self, kind: _Kind, block: bytes, key: bytes) -> bool:
        """Let the engine read a call with texts that were not met before; returns whether it is like the others."""
        certificate = kind.certificate
        assert certificate is not None
        works = certificate.works.get(key)
        if works is None:
            probe = self._again(kind, block)
            if probe is None or kind.certificate is None:
                return False
            if len(certificate.works) >= MAX_SEEN:
                certificate.works.clear()
            works = certificate.works[key] = tuple(probe.works)
        if len(certificate.seen) >= MAX_SEEN:
            certificate.seen.clear()
        certificate.seen.add(key)
        self._works += works
        return True

    # ------------------------------------------------------------ atoms

    def _marked(self, data: bytes, edges: heads.Ints) -> set[int] | None:
        """Which calls hold an atom; None: any may."""
        if not self._fresh:
            if not self._healthy:
                return None
            self._build()
        found = [
            (start, atoms[which])
            for scan, atoms in self._atoms
            for which, start, _ in scan.find_matches_as_indexes(data)
        ]
        if not found:
            return set()
        if len(found) >= len(edges) > MANY and self._shuns < MAX_SHUNS:
            self._shun([atom for _, atom in found], len(edges) // 4)
        return set((edges.searchsorted(np.array([start for start, _ in found]), "right") - 1).tolist())

    def _shun(self, found: Iterable[str], most: int) -> None:
        """Do without the atoms that stand in many calls from now on: claims may be called so."""
        common = [atom for atom, count in Counter(found).items() if count > most and len(atom) == ATOM]
        if common:
            self._shuns += 1
            self._healthy += common
            self._fresh = False

    def _build(self) -> None:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind

        loose = {literal.decode() for literal in self._loose}
        wanted = [literal for literal in self.literals if literal not in self._fixed and literal not in loose]
        atoms = cover([*wanted, *_FOREIGN], self._healthy)
        groups = [atoms[start : start + GROUP] for start in range(0, len(atoms), GROUP)]
        self._atoms = [
            (BytesAhoCorasick([atom.encode() for atom in group], matchkind=MatchKind.LeftmostFirst), group)
            for group in groups
        ]
        self._fresh = True

    def _hits(self, block: bytes) -> tuple[int, ...]:
        """All literals in a call, by number, as often as they are there."""
        if self._exact is None:
            from ahocorasick_rs import BytesAhoCorasick, MatchKind

            self._exact = BytesAhoCorasick(
                [literal.encode() for literal in (*self.literals, *_FOREIGN)], matchkind=MatchKind.Standard
            )
        return tuple(sorted([index for index, _, _ in self._exact.find_matches_as_indexes(block, overlapping=True)]))


@dataclass(slots=True)
class _Calls:
    """The calls of a chunk as plain lists: numpy's numbers are slow one by one."""

    lines: list[int]  # of the call's first line
    edges: list[int]  # offsets of the calls, and the end
    sorts: list[int]
    good: list[bool]
    same: list[bool]
    marked: set[int] | None  # calls that hold an atom; None: any may
    message: list[int]  # of all lines
    ends: list[int]


def _goes_back(stamp: tuple[heads.U64, heads.U64, heads.U64]) -> heads.Bools:
    """Which lines have an earlier stamp than the line before."""
    back = np.zeros(len(stamp[0]), np.bool_)
    later: heads.Bools = stamp[2][1:] < stamp[2][:-1]
    for part in (stamp[1], stamp[0]):
        later = (part[1:] < part[:-1]) | ((part[1:] == part[:-1]) & later)
    back[1:] = later
    return back


def cover(literals: Iterable[str], healthy: Iterable[str]) -> list[str]:
    """A few short strings, one of which is part of each of *literals* and none part of *healthy*.

    Greedy: the string that most literals share comes first, of several the one with a blank, which no name
    has.  A literal all of whose parts are in *healthy* is taken whole.
    """
    common = {text[at : at + ATOM] for text in healthy for at in range(len(text) - ATOM + 1)}
    sharing: dict[str, set[int]] = {}
    whole: list[str] = []
    for number, literal in enumerate(dict.fromkeys(literals)):
        parts = {literal[at : at + ATOM] for at in range(len(literal) - ATOM + 1)} - common
        for part in parts:
            sharing.setdefault(part, set()).add(number)
        if not parts:
            whole.append(literal)
    heap = [(-len(numbers), " " not in part, part) for part, numbers in sharing.items()]
    heapq.heapify(heap)
    chosen: list[str] = []
    covered: set[int] = set()
    while heap:
        count, worse, part = heapq.heappop(heap)
        new = len(sharing[part] - covered)
        if new < -count:
            if new:
                heapq.heappush(heap, (-new, worse, part))
            continue
        chosen.append(part)
        covered |= sharing[part]
    return chosen + whole
