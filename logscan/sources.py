"""Where the bytes come from: files, URLs and standard input -> named byte streams -> lines.

A file is what its first bytes say, never what its name says: compression and
archives are unfolded in layers (a tar in a gzip, a zstd inside that tar) as one
stream.  Nothing is unpacked to disk, and memory is a few chunks whatever the
input.  This module is on the start-up path, so codecs are imported where used.

What is *asked for* by name and cannot be read is a SourceError.  What is only
*found* (in a directory, by a pattern, inside an archive) and is plainly no log
is passed over and counted in ``skipped``; so is what the paths of a bundle tell
to be none of ours (see ``bundles``).
"""

# A path stays as the user wrote it, and pathlib would rewrite "./x".
# ruff: noqa: PTH123

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from . import finding
from .errors import SourceError
from .finding import BY_NAME, NO_LOG, REPEATED, STDIN, Begin, End, Found, is_url, listed, os_fault
from .unpack import (
    CHUNK,
    MAX_MEMBERS,
    TAR_BLOCK,
    UNPACK,
    Member,
    Meter,
    at_most,
    compression,
    decompress,
    in_memory,
    is_tar,
    is_zip,
    label,
    tar_members,
    zip_members,
)

MAX_LINE = 1 << 20  # bytes of one line that are kept
MAX_NESTING = 8  # layers of compression and archives in each other
_SAMPLE = 8192

Skipped = finding.Skipped

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8"),
)

_FOREIGN = (  # first bytes, what it is (plural), what to do
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archives", UNPACK),
    (b"Rar!\x1a\x07", "RAR archives", UNPACK),
    (b"\x04\x22\x4d\x18", "lz4 files", "pipe it in: lz4 -dc FILE | logscan"),
    (b"LPKSHHRH", "systemd journals", "pipe it in: journalctl --file FILE | logscan"),
    (b"\xd4\xc3\xb2\xa1", "packet captures", "give logscan the logs of the same time"),
    (b"\x0a\x0d\x0d\x0a", "packet captures", "give logscan the logs of the same time"),
    (b"\x89PNG\r\n", "images", "paste the text itself; logscan cannot read a screenshot"),
    (b"\xff\xd8\xff", "images", "paste the text itself; logscan cannot read a screenshot"),
    (b"GIF8", "images", "paste the text itself; logscan cannot read a screenshot"),
    (b"%PDF-", "PDF documents", "give logscan the text itself"),
    (b"SQLite format 3\x00", "databases", "give logscan a log as text"),
)

_NOT_OURS = (
    "holds nothing of csi-driver-nfs: no log of its containers, no events, no kubelet",
    "name a log itself to have it read, whosever it is",
)

# What text may hold below 0x20: bell, backspace, tab, line feed, form feed,
# carriage return, escape.  The rest, and DEL, are 10 % of random bytes.
_CONTROL = bytes(sorted({*range(1, 32), 127} - {7, 8, 9, 10, 12, 13, 27}))


class Twin(NamedTuple):
    """What a log in kubelet's trees has in common with its copy in another of them."""

    layout: str
    key: bytes
    place: str  # where it was found


@dataclass(frozen=True, slots=True)
class Source:
    """A named stream of bytes.

    ``name`` is the path as given ("-" for standard input), and for a member of
    an archive "bundle.tgz!node-1/nfs.log"; characters that would play tricks on
    a terminal are U+FFFD in it.  ``mtime`` is in µs since the epoch, None where
    nobody knows.  ``chunks`` can be read once; it is UTF-8 if the file said by a
    byte order mark what it is, else the bytes as they are.  It may raise
    SourceError after it has yielded what is readable.  An empty file yields
    nothing.
    """

    name: str
    mtime: int | None
    chunks: Iterator[bytes]
    path: str | None = None  # of a regular file whose bytes these are, as they stand
    twin: Twin | None = None
    bare: bool = False  # the bytes are those of the file, as they stand


@dataclass(slots=True)
class Tally:
    r"""What ``lines`` met and had to do.  One per input.  Mutable: it counts.

    Law: ``bytes`` == the bytes of all lines yielded + their "\n" + ``cut_bytes``.
    """

    bytes: int = 0  # after unpacking and decoding
    lines: int = 0
    cut_lines: int = 0  # lines over MAX_LINE
    cut_bytes: int = 0  # bytes dropped from them
    nul_bytes: int = 0  # NUL bytes met; they stay in the lines


def lines(chunks: Iterable[bytes], tally: Tally) -> Iterator[tuple[int, int, bytes]]:
    r"""Split *chunks* into lines; see Splitter.

    Raises:
        SourceError: of *chunks*, once the unfinished last line has been yielded.
    """
    splitter = Splitter(tally)
    fault: SourceError | None = None
    try:
        for chunk in chunks:
            yield from splitter.feed(chunk)
    except SourceError as error:
        fault = error
    yield from splitter.close()
    if fault is not None:
        raise fault


class Splitter:
    r"""Splits chunks at "\n" (and nowhere else) into (number, offset, raw); where they are cut changes nothing.

    ``raw`` is the line without its "\n" but with its "\r", ``number`` its 1-based number, ``offset`` that of its
    first byte.  A line over MAX_LINE is cut there; its rest counts in the offsets of the lines that follow.
    *tally* is brought up to date with every chunk, and exact after ``close``.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._number = self._offset = 0
        self._length = 0  # of the unfinished line, with what was dropped of it
        self._held = bytearray()  # the unfinished line, MAX_LINE at most

    def feed(self, chunk: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The lines that *chunk* ends."""
        for part in at_most([chunk], MAX_LINE):
            yield from self._feed(part)

    def _feed(self, chunk: bytes) -> Iterator[tuple[int, int, bytes]]:
        tally, number, offset, held = self._tally, self._number, self._offset, self._held
        try:
            tally.bytes += len(chunk)
            tally.nul_bytes += chunk.count(0)
            parts = chunk.split(b"\n")
            last = parts.pop()
            if parts and self._length:
                first = parts.pop(0)
                held += first[: MAX_LINE - len(held)]
                length, self._length = self._length + len(first), 0
                number += 1
                raw = _closed(held, length, tally)
                held.clear()
                yield number, offset, raw
                offset += length + 1
            for number, raw in enumerate(parts, number + 1):  # noqa: B020 - counts on from where it was
                yield number, offset, raw
                offset += len(raw) + 1
            held += last[: MAX_LINE - len(held)]
            self._length += len(last)
        finally:
            self._number, self._offset = number, offset
            tally.lines = number

    def skip(self, count: int, size: int) -> None:
        """Go on behind whole lines that are not to be split; only between lines."""
        self._number += count
        self._offset += size
        self._tally.lines = self._number
        self._tally.bytes += size

    def close(self) -> Iterator[tuple[int, int, bytes]]:
        """The unfinished last line."""
        if self._length:
            self._number += 1
            raw = _closed(self._held, self._length, self._tally)
            self._held.clear()
            self._length = 0
            self._tally.lines = self._number
            yield self._number, self._offset, raw


def _closed(held: bytearray, length: int, tally: Tally) -> bytes:
    if length > len(held):
        tally.cut_lines += 1
        tally.cut_bytes += length - len(held)
    return bytes(held)


def open_sources(
    paths: Sequence[str], stdin: BinaryIO | None = None, skipped: Skipped | None = None
) -> Iterator[Source | SourceError]:
    """Open what *paths* name, in their order; a Source must be read before the next is asked for.

    Args:
        paths: "-" (standard input), files, directories (read recursively, by
            name; links to files are followed, links to directories are not),
            patterns (``*``, ``?``, ``[…]``, ``**``) unless a file has that
            very name, and URLs that fsspec knows, patterns too.  A file met
            twice, by whatever names, is read once.
        stdin: None is ``sys.stdin.buffer``.
        skipped: counts what was passed over; see the top of this module.

    Yields:
        A Source, or a SourceError for what cannot be read; then goes on.
    """
    skipped = Counter() if skipped is None else skipped
    files, crowd = Files(stdin, skipped), Crowd(skipped)
    for entry in listed(paths, skipped):
        if isinstance(entry, Found):
            yield from files.read(entry, crowd)
        else:
            yield from crowd.take(entry)


class Files:
    """Opens the files of one list; arguments are those of ``open_sources``."""

    def __init__(self, stdin: BinaryIO | None, skipped: Skipped) -> None:
        self._run = _Run(stdin, skipped)

    def read(self, found: Found, crowd: Crowd) -> Iterator[Source | SourceError]:
        """What is in a file, without copies of what *crowd* has met."""
        yield from crowd.admit(_read_found(found, self._run))
        crowd.left_out, self._run.left_out = crowd.left_out + self._run.left_out, 0


def open_found(found: Found, skipped: Skipped) -> tuple[Iterator[Source | SourceError], Callable[[], int]]:
    """Open one file of a list, in any process; and how many logs in it were left out as none of ours, once all has been read.

    What more than one file is needed for is left to a Crowd.
    """
    run = _Run(None, skipped)
    return _read_found(found, run), lambda: run.left_out


def open_stream(name: str, chunks: Iterator[bytes], skipped: Skipped) -> Iterator[Source | SourceError]:
    """What is in a stream that somebody else has begun to read."""
    yield from _unfold(_Item(name, None, "", Meter(), _Run(None, skipped)), chunks)


class Told(Protocol):
    """What a Crowd must know of a Source."""

    @property
    def twin(self) -> Twin | None: ...  # noqa: D102


T = TypeVar("T", bound="Told | SourceError")


class Crowd:
    """What is in many files together: what was read already is left out, and where there is nothing, that is told.

    Args:
        skipped: counts what was passed over.
    """

    def __init__(self, skipped: Skipped) -> None:
        self.left_out = 0  # in the place that is being read, as none of ours
        self._skipped = skipped
        self._twins: dict[bytes, str] = {}  # layout of logs of kubelet's trees, by what copies share
        self._met = False
        self._repeats = 0

    def admit(self, things: Iterable[T]) -> Iterator[T]:
        """What is in one file, without copies of what came before."""
        for thing in things:
            twin = None if isinstance(thing, SourceError) else thing.twin
            if twin is not None and self._twins.setdefault(twin.key, twin.layout) != twin.layout:
                self._skipped[twin.place, REPEATED] += 1
                self._repeats += 1
                continue
            self._met = True
            yield thing

    def take(self, entry: SourceError | Begin | End) -> Iterator[SourceError]:
        """What is between the files of a list."""
        if isinstance(entry, SourceError):
            self._met = True
            yield entry
        elif isinstance(entry, Begin):
            self._met, self._repeats, self.left_out = False, 0, 0
        elif not self._met and self.left_out:
            yield SourceError(entry.place, *_NOT_OURS)
        elif not (self._met or self._repeats or entry.repeats):
            help_ = "check the path; hidden files, images and other binary files are passed over"
            yield SourceError(entry.place, entry.problem, help_)


def is_plain(head: bytes) -> bool:
    """Whether a file that begins with *head* is read as it stands: neither packed nor in another encoding."""
    packed = compression(head) is not None or is_tar(head) or is_zip(head)
    return not packed and _encoding(head) in {None, "utf-8"} and _foreign(head) is None


@dataclass(slots=True)
class _Run:
    stdin: BinaryIO | None
    skipped: Skipped
    left_out: int = 0  # of bundles, as none of ours
    stdin_read: bool = False


# ---------------------------------------------------------------- reading


def _read_found(found: Found, run: _Run) -> Iterator[Source | SourceError]:
    """What is in one file."""
    meter = Meter()
    item = _Item(found.name, found.mtime, found.place, meter, run)
    if found.path == STDIN:
        yield from _read_stdin(item)
    elif is_url(found.path):
        yield from _unfold(item, _read_url(found.path, meter))
    else:
        chunks = _read_file(found.path, found.name, meter)
        yield from _unfold(item, chunks, found.path if found.regular else None)


def _read_stdin(item: _Item) -> Iterator[Source | SourceError]:
    run = item.run
    if run.stdin_read:
        yield SourceError("-", "standard input was read already", 'give "-" only once')
        return
    run.stdin_read = True
    if run.stdin is None:
        import sys

        if sys.stdin is None:  # closed by the parent: logscan <&-
            yield SourceError("-", "standard input is closed", "pipe a log in or name a file")
            return
        run.stdin = sys.stdin.buffer
    # read1 returns what is there: a slow writer's lines are not held back.
    read = getattr(run.stdin, "read1", run.stdin.read)
    yield from _unfold(item, _read(read, "-", item.meter))


def _read_url(url: str, meter: Meter) -> Iterator[bytes]:
    from logscan import remote

    for chunk in remote.chunks(url):
        meter.raw += len(chunk)
        yield chunk


def _read_file(path: str, place: str, meter: Meter) -> Iterator[bytes]:
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        raise os_fault(path, error) from error
    with file:
        yield from _read(file.read, place, meter)


def _read(read: Callable[[int], bytes | None], place: str, meter: Meter) -> Iterator[bytes]:
    while True:
        try:
            chunk = read(CHUNK)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise os_fault(place, error) from error
        if not chunk:
            return
        meter.raw += len(chunk)
        yield chunk


# ---------------------------------------------------------------- unfolding


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing to unfold; ``found`` says where it was found, "" if it was asked for."""

    name: str
    mtime: int | None
    found: str
    meter: Meter
    run: _Run
    depth: int = 0  # archives around it

    def skip(self, what: str) -> None:
        """Count one member that is passed over."""
        self.run.skipped[self.name, what] += 1


def _unfold(item: _Item, chunks: Iterator[bytes], path: str | None = None) -> Iterator[Source | SourceError]:
    """Take layers off until text is left.  *path* is of a regular file: zip must seek."""
    twin = None
    meter = item.meter
    held = meter.held
    try:
        head, chunks, packed = _unpacked(item, chunks)
        members = None
        if is_tar(head):
            members = tar_members(chunks, item.name, item.meter, item.skip)
        elif is_zip(head):
            file = path if path is not None and not packed else in_memory(chunks, item.name, meter)
            members = zip_members(file, item.name, item.meter, item.skip)
        else:
            from logscan import bundles, parts

            is_dump = parts.is_dump(head)
            # A dump is looked into before it is judged, as an archive is.
            if item.found and (reason := bundles.left_out(item.name, b"" if is_dump else head)):
                item.run.skipped[item.found, reason] += 1
                item.run.left_out += 1
                return
            found = bundles.twin(item.name, head)
            twin = Twin(*found, item.found) if found else None
            members = parts.dump_members(chunks) if is_dump else None
        if members is not None:
            yield from _archive(item, members)
            meter.held = held
            return
        bom = _encoding(head)
        if bom is not None:
            head, chunks = _peek(_recode(chunks, bom))
    except SourceError as error:
        yield error
        return
    foreign = _foreign(head)
    if foreign is None:
        bare = not packed and bom is None
        yield Source(item.name, item.mtime, chunks, path if bare else None, twin, bare and not item.depth)
    elif item.found:
        item.run.skipped[item.found, foreign[0]] += 1
    else:
        one = foreign[0].removesuffix("s")
        article = "an" if one[0] in "aeiou" else "a"
        yield SourceError(item.name, f"is no log: it looks like {article} {one}", foreign[1])


def _unpacked(item: _Item, chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes], bool]:
    """Decompress: (first bytes, all chunks, whether it was compressed)."""
    for layer in range(MAX_NESTING):
        head, chunks = _peek(chunks)
        kind = compression(head)
        if kind is None:
            return head, chunks, layer > 0
        chunks = decompress(chunks, kind, item.name, item.meter)
    raise SourceError(item.name, f"is packed {MAX_NESTING} times or more", UNPACK)


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, and *chunks* as they were.

    As much as a tar header needs, but not more than the first line, so that a
    slow writer's first line is not held back.  A fault behind the first bytes
    stays behind them.
    """
    head = b""
    try:
        while len(head) < TAR_BLOCK and b"\n" not in head:
            chunk = next(chunks, None)
            if chunk is None:
                break
            head += chunk
    except SourceError as error:
        if not head:
            raise
        return head, chain([head], _raising(error))
    return head, chain([head] if head else [], chunks)


def _raising(error: SourceError) -> Iterator[bytes]:
    yield from ()
    raise error


def _foreign(head: bytes) -> tuple[str, str] | None:
    """Say what *head* is if it is no text: (what, in the plural; help)."""
    for magic, what, help_ in _FOREIGN:
        if head.startswith(magic):
            return what, help_
    # A run of NULs counts once: a crash or logrotate's copytruncate leaves a
    # hole of them in a good log, whereas UTF-16 and programs are strewn with them.
    sample = head.lstrip(b"\0")[:_SAMPLE]
    shown = sample.replace(b"\0", b"")
    odd = len(shown) - len(shown.translate(None, _CONTROL))
    odd += sum(1 for part in sample.split(b"\0")[1:] if part)
    if odd > 8 and odd * 20 > len(shown):
        return "binary files", "give logscan a log as text"
    return None


def _encoding(head: bytes) -> str | None:
    """The encoding that a text says it has, by its mark or, of UTF-16, by zeros in every other place; None if none."""
    if marked := next((codec for mark, codec in _BOMS if head.startswith(mark)), None):
        return marked
    sample = head[: _SAMPLE & ~1]
    half = len(sample) // 2
    zeros = (sample[::2].count(0), sample[1::2].count(0))
    # An English log has zeros in one half of its bytes, and none in the other.
    if half > 32 and max(zeros) > half * 0.9 and min(zeros) * 50 < half:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return None


def _recode(chunks: Iterable[bytes], codec: str) -> Iterator[bytes]:
    """Turn UTF-16 and UTF-32 (PowerShell's ``>``) into UTF-8, and drop the byte order mark if there is one."""
    from codecs import getincrementaldecoder

    if codec == "utf-8":
        chunks = iter(chunks)
        yield from filter(None, [next(chunks)[3:]])
        yield from chunks
        return
    decoder = getincrementaldecoder(codec)("replace")
    for chunk in chain(chunks, [b""]):
        if text := decoder.decode(chunk, final=not chunk):
            yield text.encode()


# ---------------------------------------------------------------- archives


def _archive(item: _Item, members: Iterator[Member | SourceError]) -> Iterator[Source | SourceError]:
    if item.depth == MAX_NESTING:
        raise SourceError(item.name, f"lies in {MAX_NESTING} archives", UNPACK)
    from logscan.parts import in_order

    met, left_out = False, item.run.left_out
    for member in in_order(members):
        if isinstance(member, SourceError):
            met = True
            yield member
            continue
        name, mtime, chunks = member
        item.meter.members += 1
        if item.meter.members > MAX_MEMBERS:
            problem = f"holds more than {MAX_MEMBERS:,} files; what comes after them is not read"
            raise SourceError(item.name, problem, UNPACK)
        if any(part.startswith(".") for part in name.split("/") if part not in {".", ".."}):
            item.run.skipped[item.name, "hidden files"] += 1
        elif name.lower().endswith(NO_LOG):
            item.run.skipped[item.name, BY_NAME] += 1
        else:
            inner = _Item(label(item.name, name), mtime, item.name, item.meter, item.run, item.depth + 1)
            for thing in _unfold(inner, chunks):
                met = True
                yield thing
    if not met and item.run.left_out > left_out:
        # Of several archives in a directory each may be of another node.
        if not item.found:
            yield SourceError(item.name, *_NOT_OURS)
    elif not met:
        yield SourceError(item.name, "the archive holds no logs", "check how the bundle was made")
