"""What is made of one file far from the engine, and how the makings of many files become one report.

A *partial* holds of a file, or of a range of it, what the engine must see, and in one word each the
runs of calls that went well (see quiet.py).  It depends on the file and the rules alone, can be
pickled, and is about as large as the file compressed.  Partials are kept by the file's name, so that
it is the same in which order they come, who made them, and how often; one engine reads them in the
order of the names, and so the report is that of reading the files one after the other.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import NamedTuple

from logscan import __version__, bundles, passing, ranges, remote, scan, sources
from logscan.errors import SourceError
from logscan.finding import Found, is_url
from logscan.match import Engine
from logscan.model import Report
from logscan.narrow import UNIT, Narrower
from logscan.quiet import Certificate, Narrowed, Run, unfetched
from logscan.reading import with_lines
from logscan.rules import RuleSet
from logscan.sorting import HOSTS, MAX_EVIDENCE, sort_out
from logscan.sources import Source, Twin

RANGE = 64 << 20  # bytes of a file that is read by several
SMALL = 1 << 18  # bytes of an input: below, narrowing costs more than it saves
BLOCK = 1 << 20  # bytes that are compressed together
LEVEL = 3  # of zstd: klog text becomes a fourteenth, at 400 MB/s
MAX_HOSTS = 17 << 20  # bytes of a listing of pods; the engine takes no more
_READ = 8 << 20  # bytes of a range asked for at a time
_PACKED = (".gz", ".tgz", ".xz", ".txz", ".bz2", ".tbz2", ".zst", ".tzst", ".zip", ".tar")
_DENSE = 8  # text : partial, at least, of most logs


class Task(NamedTuple):
    """What one worker is to read: a file, or the range of it from *start* to *end*."""

    found: Found
    start: int = 0
    end: int | None = None  # None: to the end of the file, whatever is in it

    @property
    def key(self) -> tuple[str, int]:
        """What the partial is kept by."""
        return (self.found.path, self.start)

    @property
    def last(self) -> bool:
        """Whether nothing of the file comes behind it."""
        return self.end is None or self.end == self.found.size

    @property
    def weight(self) -> int:
        """Bytes that the partial has, roughly."""
        size = self.found.size
        if size is None:
            return BLOCK
        if is_packed(self.found.path):
            return size
        return (size if self.end is None else self.end - self.start) // _DENSE


def is_packed(path: str) -> bool:
    """Whether a file is compressed, or an archive, by its name."""
    return path.lower().endswith(_PACKED)


def tasks(found: Found) -> list[Task]:
    """The tasks that read a file: of a large one that may be text as it stands, several."""
    size = found.size
    seekable = found.regular or (is_url(found.path) and not found.path.startswith(("http:", "https:")))
    if size is None or size < 2 * RANGE or not seekable or is_packed(found.path):
        return [Task(found)]
    borders = [*range(0, size - RANGE // 2, RANGE), size]
    return [Task(found, borders[at], borders[at + 1]) for at in range(len(borders) - 1)]


# ---------------------------------------------------------------- what is kept


class Fault(NamedTuple):
    """A SourceError, as a value."""

    place: str
    problem: str
    help: str

    @staticmethod
    def of(error: SourceError) -> Fault:
        """The same as a value."""
        return Fault(error.place, error.problem, error.help)

    def error(self) -> SourceError:
        """The same as an error."""
        return SourceError(self.place, self.problem, self.help)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of an input: its bytes, compressed, and what they are."""

    start: int  # offset in the input
    size: int  # bytes
    data: bytes
    told: tuple[tuple[int, int] | Run, ...]  # (start, end) of lines for the engine, or a run

    def pieces(self, certificates: Sequence[Certificate]) -> Iterator[bytes | Run]:
        """The same as a narrower tells it."""
        text = b""

        def fetch(offset: int, size: int) -> bytes:
            nonlocal text
            if not text:
                from zstandard import ZstdDecompressor

                text = ZstdDecompressor().decompress(self.data, max_output_size=self.size)
            return text[offset - self.start : offset - self.start + size]

        for one in self.told:
            if isinstance(one, Run):
                yield replace(one, certificates=certificates, fetch=fetch)
            else:
                for offset in range(one[0], one[1], UNIT):
                    yield fetch(offset, min(UNIT, one[1] - offset))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The blocks of an input, or of a range of one."""

    blocks: tuple[Block, ...] = ()
    certificates: tuple[Certificate, ...] = ()  # that their runs point into
    fault: Fault | None = None  # what ended it

    def pieces(self) -> Iterator[bytes | Run]:
        """All of it.

        Raises:
            SourceError: at its end, if a fault ended it.
        """
        for block in self.blocks:
            yield from block.pieces(self.certificates)
        if self.fault is not None:
            raise self.fault.error()


@dataclass(frozen=True, slots=True)
class Input:
    """One input: a file, or a member of an archive."""

    name: str
    mtime: int | None
    twin: Twin | None
    log: bool  # else it is evidence, or tells where pods run
    body: Stretch

    def opened(self, bodies: Iterable[Stretch]) -> Source | Narrowed:
        """The same for the engine; *bodies* are all its stretches."""
        pieces = chain.from_iterable(one.pieces() for one in bodies)
        if self.log:
            return Narrowed(self.name, self.mtime, pieces, self.twin)
        chunks = (piece if isinstance(piece, bytes) else piece.text() for piece in pieces)
        return Source(self.name, self.mtime, chunks, twin=self.twin)


@dataclass(frozen=True, slots=True)
class Partial:
    """What a task told."""

    task: Task
    inputs: tuple[Input | Fault, ...] = ()
    goes_on: bool = False  # the last input does, in the task of the next range
    rest: Stretch | None = None  # the range, of an input that began in an earlier one
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: int = 0
    version: str = __version__

    def digest(self) -> bytes:
        """What tells it from another one of the same task, made of the file as it was at another time."""
        digest = hashlib.blake2b(digest_size=16)
        for one in (*self.inputs, self.rest):
            body = one.body if isinstance(one, Input) else one
            if isinstance(body, Stretch):
                for block in body.blocks:
                    digest.update(block.data)
                digest.update(repr(body.fault).encode())
            digest.update(repr((one.name, one.mtime) if isinstance(one, Input) else isinstance(one, Fault)).encode())
        return digest.digest()


# ---------------------------------------------------------------- a worker's work


def compute(task: Task, rules: RuleSet, *, lasting: bool = False) -> Partial:
    """Read a file, or a range of one; what cannot be read is told, never raised.

    Args:
        lasting: what was learnt of calls in one file serves in the next: sooner, but then the partial, if not
            the report, depends on what this process has read before.
    """
    skipped: Counter[tuple[str, str]] = Counter()
    things, left_out = sources.open_found(task.found, skipped)
    inputs: list[Input | Fault] = []
    passer = _passer(rules)
    for thing in things:
        if isinstance(thing, SourceError):
            inputs.append(Fault.of(thing))
            continue
        kind, chunks = sort_out(thing)
        if task.end is not None and thing.bare and kind is None:
            body = _range(task, passer.fresh())
            if task.start:
                return Partial(task, rest=body)
            return Partial(task, (Input(thing.name, thing.mtime, thing.twin, True, body),), not task.last)
        if task.start:
            break
        if kind is None:
            narrower = passer.learned() if lasting else passer.fresh()
            body = _packed(_narrowed(with_lines(chunks, thing.name), narrower), 0, narrower)
        else:
            body = _packed(_at_most(chunks, MAX_HOSTS if kind in HOSTS else MAX_EVIDENCE), 0)
        inputs.append(Input(thing.name, thing.mtime, thing.twin, kind is None, body))
    if task.start:  # it is not text as it stands: the task of the first range reads it all
        return Partial(task)
    return Partial(task, tuple(inputs), skipped=skipped, left_out=left_out())


_mine = threading.local()  # a worker may have several threads, and an engine is for one


def _passer(rules: RuleSet) -> passing.Passer:
    if getattr(_mine, "rules", None) is not rules:
        _mine.rules, _mine.passer = rules, passing.Passer(Engine(rules.rules), passing.healers(rules.by_id))
    passer: passing.Passer = _mine.passer
    return passer


def _at_most(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if size > most:
            return


def _narrowed(chunks: Iterator[bytes], narrower: Narrower) -> Iterator[bytes | Run]:
    """What there is to an input's bytes.

    Raises:
        SourceError: of *chunks*, once what came before has been yielded.
    """
    held: list[bytes] = []
    size = 0
    fault: SourceError | None = None
    narrower.begin(0, inside=False)
    try:
        for chunk in chunks:
            size += len(chunk)
            if size <= SMALL:
                held.append(chunk)
                continue
            if held:
                yield from narrower.feed(b"".join(held))
                held = []
            yield from narrower.feed(chunk)
    except SourceError as error:
        fault = error
    yield from held
    yield from narrower.close()
    if fault is not None:
        raise fault


def _range(task: Task, narrower: Narrower) -> Stretch:
    """The same of a range of a file that is text as it stands."""
    assert task.end is not None
    size, start, end, inside, called = task.found.size or 0, task.start, task.end, False, False
    try:
        fetch = remote.reader(task.found.path) if is_url(task.found.path) else ranges.File(task.found.path).fetch
        if start:
            start, inside, _ = ranges.border(fetch(start, min(ranges.LOOK, size - start)), start)
        if not task.last:
            end, _, called = ranges.border(fetch(end, min(ranges.LOOK, size - end)), end)
    except SourceError as error:
        return Stretch(fault=Fault.of(error))
    return _packed(
        _through(task.found, fetch, narrower.begin(start, inside=inside), range(start, end), called), start, narrower
    )


def _through(
    found: Found, fetch: Callable[[int, int], bytes], narrower: Narrower, bounds: range, called: bool
) -> Iterator[bytes | Run]:
    for offset in range(bounds.start, bounds.stop, _READ):
        size = min(_READ, bounds.stop - offset)
        data = fetch(offset, size)
        for at in range(0, len(data), UNIT):
            yield from narrower.feed(data[at : at + UNIT])
        if len(data) < size:
            raise SourceError(found.name, *ranges.SHORTER)
    yield from narrower.close(followed=called)


def _packed(pieces: Iterator[bytes | Run], start: int, narrower: Narrower | None = None) -> Stretch:
    """All *pieces*, the first of which begins at *start*."""
    from zstandard import ZstdCompressor

    compressor = ZstdCompressor(LEVEL)
    blocks: list[Block] = []
    texts: list[bytes] = []
    told: list[tuple[int, int] | Run] = []
    at = begin = start
    fault: Fault | None = None

    def close() -> None:
        nonlocal begin
        if texts:
            blocks.append(Block(begin, at - begin, compressor.compress(b"".join(texts)), tuple(told)))
        texts.clear()
        told.clear()
        begin = at

    try:
        for piece in pieces:
            if isinstance(piece, Run):
                texts.append(piece.text())
                told.append(replace(piece, fetch=unfetched, certificates=()))
            else:
                texts.append(piece)
                if told and not isinstance(told[-1], Run):
                    told[-1] = (told[-1][0], at + len(piece))
                elif piece:
                    told.append((at, at + len(piece)))
            at += len(texts[-1])
            if at - begin >= BLOCK:
                close()
    except SourceError as error:
        fault = Fault.of(error)
    close()
    certificates = narrower.certificates if narrower is not None else ()
    return Stretch(tuple(blocks), tuple(replace(one, seen=set(), works={}) for one in certificates), fault)


# ---------------------------------------------------------------- many files


class Partials:
    """Partials by what they are of.  Immutable; ``|`` is associative, commutative and idempotent."""

    def __init__(self, *partials: Partial) -> None:
        self._by_key: Mapping[tuple[str, int], Partial] = {}
        for one in partials:
            self._by_key = _united(self._by_key, {one.task.key: one})

    def __or__(self, other: Partials) -> Partials:
        both = Partials()
        both._by_key = _united(self._by_key, other._by_key)
        return both

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partials) and self._by_key == other._by_key

    __hash__ = None  # type: ignore[assignment]  # a mapping's

    def __len__(self) -> int:
        return len(self._by_key)

    def files(self) -> Iterator[Iterator[Partial]]:
        """The partials of each file, in the order of the names."""
        keys = sorted(self._by_key, key=lambda key: ([bundles.order(part) for part in key[0].split("/")], key[1]))
        for _, group in groupby(keys, key=lambda key: key[0]):
            yield (self._by_key[key] for key in group)


def _united(
    left: Mapping[tuple[str, int], Partial], right: Mapping[tuple[str, int], Partial]
) -> dict[tuple[str, int], Partial]:
    both = {**left, **right}
    for key in left.keys() & right.keys():
        if left[key] != right[key]:  # the file has changed in between: the younger counts, whoever asks
            both[key] = max(left[key], right[key], key=_age)
    return both


def _age(one: Partial) -> tuple[int, int, bytes]:
    return (one.task.found.mtime or 0, one.task.found.size or 0, one.digest())


def inputs(partials: Iterator[Partial]) -> Iterator[Source | Narrowed | SourceError]:
    """What is in one file, for the engine; each must be read before the next is asked for.

    Args:
        partials: of all the file's tasks, in order; it may raise SourceError.
    """
    try:
        first = next(partials)
    except SourceError as error:
        yield error
        return
    for number, one in enumerate(first.inputs, 1):
        if isinstance(one, Fault):
            yield one.error()
        elif first.goes_on and number == len(first.inputs):
            yield one.opened(chain([one.body], (later.rest for later in partials if later.rest is not None)))
        else:
            yield one.opened([one.body])


def report(partials: Partials, rules: RuleSet, options: scan.Options | None = None) -> Report:
    """The report on all the files that *partials* are of."""
    scanner = scan.Scanner(rules, options)
    crowd = sources.Crowd(scanner.skipped)
    for of_file in partials.files():
        for thing in crowd.admit(inputs(counted(of_file, scanner.skipped))):
            scanner.read(thing)
    return scanner.report()


def counted(partials: Iterator[Partial], skipped: sources.Skipped) -> Iterator[Partial]:
    """The same; what was passed over in them is counted."""
    for one in partials:
        skipped.update(one.skipped)
        yield one
