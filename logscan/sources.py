"""Where the bytes come from: paths and standard input -> named byte streams -> lines.

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
# ruff: noqa: PTH112, PTH114, PTH116, PTH118, PTH123, PTH206, PTH207, PTH208

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from .errors import SourceError
from .unpack import (
    CHUNK,
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
    printable,
    tar_members,
    zip_members,
)

MAX_LINE = 1 << 20  # bytes of one line that are kept
MAX_NESTING = 8  # layers of compression and archives in each other
_SAMPLE = 8192

Skipped = Counter[tuple[str, str]]  # (where, what): how many; ("bundle.tgz", "symbolic links"): 3

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_BOMS_OF_OTHERS = tuple(mark for mark, codec in _BOMS if codec != "utf-8")

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

# Only for what is found: a file that is asked for is opened whatever its name.
_NO_LOG = (
    *(".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".tiff", ".webp"),
    *(".avi", ".mov", ".mp3", ".mp4", ".webm", ".ttf", ".woff", ".woff2"),
    *(".doc", ".docx", ".odt", ".pdf", ".pptx", ".xlsx", ".db", ".parquet", ".sqlite"),
    *(".bin", ".class", ".deb", ".dll", ".exe", ".iso", ".jar", ".o", ".pyc", ".qcow2", ".rpm", ".so", ".wasm"),
    *(".css", ".js", ".key", ".pem", ".pcap", ".pcapng"),
)
_NOT_OURS = (
    "holds nothing of csi-driver-nfs: no log of its containers, no events, no kubelet",
    "name a log itself to have it read, whosever it is",
)
_BY_NAME = "files that are no logs by their name"

# What text may hold below 0x20: bell, backspace, tab, line feed, form feed,
# carriage return, escape.  The rest, and DEL, are 10 % of random bytes.
_CONTROL = bytes(sorted({*range(1, 32), 127} - {7, 8, 9, 10, 12, 13, 27}))


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
            and patterns (``*``, ``?``, ``[…]``, ``**``) unless a file has that
            very name.  A file met twice, by whatever names, is read once.
        stdin: None is ``sys.stdin.buffer``.
        skipped: counts what was passed over; see the top of this module.

    Yields:
        A Source, or a SourceError for what cannot be read; then goes on.
    """
    run = _Run(stdin, Counter() if skipped is None else skipped)
    for path in paths:
        if path == "-":
            yield from _open_stdin(run)
        elif os.path.isdir(path):
            yield from _open_found(path, _walk(path, path, run), "the directory holds no logs", run)
        elif is_pattern(path):
            yield from _open_found(path, _match(path, run), "no log matches this pattern", run)
        else:
            yield from _open_file(path, run)


def is_pattern(path: str) -> bool:
    """Whether *path* is a pattern and not a file of that very name."""
    return any(c in path for c in "*?[") and not os.path.lexists(path)


def find(place: str, skipped: Skipped) -> Iterator[str | SourceError]:
    """The regular files in a directory, or those that match a pattern, by name.

    Args:
        skipped: counts what was passed over.
    """
    from logscan.parts import left_out

    run = _Run(None, skipped)
    for path in _match(place, run) if is_pattern(place) else _walk(place, place, run):
        if isinstance(path, str) and path.lower().endswith(_NO_LOG):
            skipped[place, _BY_NAME] += 1
        elif isinstance(path, str) and (reason := left_out(path)):
            skipped[place, reason] += 1
        else:
            yield path


def is_plain(head: bytes) -> bool:
    """Whether a file that begins with *head* is read as it stands: neither packed nor in another encoding."""
    packed = compression(head) is not None or is_tar(head) or is_zip(head)
    return not packed and not head.startswith(_BOMS_OF_OTHERS) and _foreign(head) is None


@dataclass(slots=True)
class _Run:
    stdin: BinaryIO | None
    skipped: Skipped
    seen: set[tuple[int, int]] = field(default_factory=set)  # (device, inode) of files read
    repeats: int = 0
    left_out: int = 0  # of bundles, as none of ours
    twins: dict[tuple[object, ...], str] = field(default_factory=dict)  # logs of kubelet's trees, by what copies share
    stdin_read: bool = False


# ---------------------------------------------------------------- finding


def _open_stdin(run: _Run) -> Iterator[Source | SourceError]:
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
    meter = Meter()
    # read1 returns what is there: a slow writer's lines are not held back.
    read = getattr(run.stdin, "read1", run.stdin.read)
    yield from _unfold(_Item("-", None, "", meter, run), _read(read, "-", meter))


def _open_found(
    place: str, found: Iterable[str | SourceError], problem: str, run: _Run
) -> Iterator[Source | SourceError]:
    met = False
    repeats, left_out = run.repeats, run.left_out
    for path in found:
        things = [path] if isinstance(path, SourceError) else _open_file(path, run, place)
        for thing in things:
            met = True
            yield thing
    if not met and run.left_out > left_out:
        yield SourceError(place, *_NOT_OURS)
    elif not met and run.repeats == repeats:
        yield SourceError(place, problem, "check the path; hidden files, images and other binary files are passed over")


def _walk(root: str, place: str, run: _Run) -> Iterator[str | SourceError]:
    """List the regular files below *root* by name.  A stack, for trees can be deeper than Python's."""
    from logscan.bundles import order

    stack = [root]
    while stack:
        path = stack.pop()
        linked = os.path.islink(path)
        try:
            mode = os.stat(path).st_mode
            if stat.S_ISREG(mode):
                yield path
            elif not stat.S_ISDIR(mode):
                run.skipped[place, "pipes, sockets and devices"] += 1
            elif linked and path != root:
                run.skipped[place, "links to directories"] += 1
            else:
                names = sorted(os.listdir(path), key=order, reverse=True)
                shown = [name for name in names if not name.startswith(".")]
                if len(shown) < len(names):
                    run.skipped[place, "hidden files"] += len(names) - len(shown)
                stack.extend(os.path.join(path, name) for name in shown)
        except OSError as error:
            if linked and error.errno in {errno.ENOENT, errno.ELOOP}:
                run.skipped[place, "links to nothing"] += 1
            else:
                yield os_fault(path, error)


def _match(pattern: str, run: _Run) -> Iterator[str | SourceError]:
    """Expand *pattern*; ``**`` by our own walk, since glob's follows links round and round."""
    from fnmatch import fnmatchcase
    from glob import glob, has_magic

    parts = pattern.split("/")
    if "**" not in parts:
        for path in sorted(glob(pattern)):
            yield from _walk(path, pattern, run)
        return

    def matches(names: list[str], wanted: list[str]) -> bool:
        if not wanted:
            return not names
        if wanted[0] == "**":
            return matches(names, wanted[1:]) or (bool(names) and matches(names[1:], wanted))
        return bool(names) and fnmatchcase(names[0], wanted[0]) and matches(names[1:], wanted[1:])

    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    base = "/".join(parts[:fixed]) or ("/" if fixed else ".")
    if not os.path.isdir(base):
        return
    for entry in _walk(base, pattern, run):
        if isinstance(entry, SourceError):
            yield entry
        elif matches(os.path.relpath(entry, base).split(os.sep), parts[fixed:]):
            yield entry if fixed else os.path.relpath(entry, base)


def _open_file(path: str, run: _Run, found: str = "") -> Iterator[Source | SourceError]:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        yield os_fault(path, error)
        return
    if stat.S_ISBLK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        yield SourceError(printable(path), "is a device or a socket", "give a file, a directory or a pipe")
        return
    regular = stat.S_ISREG(status.st_mode)
    if regular:
        if found and path.lower().endswith(_NO_LOG):
            run.skipped[found, _BY_NAME] += 1
            return
        key = (status.st_dev, status.st_ino)
        if key in run.seen:
            run.repeats += 1
            run.skipped[found or printable(path), "files that were read already"] += 1
            return
        run.seen.add(key)
    name = printable(path)
    meter = Meter()
    item = _Item(name, status.st_mtime_ns // 1000 if regular else None, found, meter, run)
    yield from _unfold(item, _read_file(path, name, meter), path if regular else None)


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


def os_fault(path: str, error: OSError | ValueError) -> SourceError:
    """What the system says of a path, in our words."""
    if isinstance(error, FileNotFoundError):
        problem = "the link points to nothing" if os.path.islink(path) else "no such file or directory"
        return SourceError(printable(path), problem, "check the path; a directory or a pattern in quotes works too")
    if isinstance(error, PermissionError):
        return SourceError(printable(path), "permission denied", "run as a user who may read it, or copy it")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SourceError(printable(path), f"cannot be read: {reason}", "check the path and the disk")


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
    try:
        head, chunks, packed = _unpacked(item, chunks)
        members = None
        if is_tar(head):
            members = tar_members(chunks, item.name, item.meter, item.skip)
        elif is_zip(head):
            file = path if path is not None and not packed else in_memory(chunks, item.name)
            members = zip_members(file, item.name, item.meter, item.skip)
        else:
            from logscan import bundles, parts

            is_dump = parts.is_dump(head)
            # A dump is looked into before it is judged, as an archive is.
            if item.found and (reason := bundles.left_out(item.name, b"" if is_dump else head)):
                item.run.skipped[item.found, reason] += 1
                item.run.left_out += 1
                return
            if (twin := bundles.twin(item.name, head)) and item.run.twins.setdefault(twin[1], twin[0]) != twin[0]:
                item.run.skipped[item.found, "files that were read already"] += 1
                item.run.repeats += 1
                return
            members = parts.dump_members(chunks) if is_dump else None
        if members is not None:
            yield from _archive(item, members)
            return
        bom = next((codec for mark, codec in _BOMS if head.startswith(mark)), None)
        if bom is not None:
            head, chunks = _peek(_recode(chunks, bom))
    except SourceError as error:
        yield error
        return
    foreign = _foreign(head)
    if foreign is None:
        yield Source(item.name, item.mtime, chunks, path if not packed and bom is None else None)
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
        return "binary files", "give logscan a log as text; UTF-16 without a byte order mark must be converted (iconv)"
    return None


def _recode(chunks: Iterable[bytes], codec: str) -> Iterator[bytes]:
    """Turn UTF-16 and UTF-32 (PowerShell's ``>``) into UTF-8, and drop the byte order mark."""
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
        if any(part.startswith(".") for part in name.split("/") if part not in {".", ".."}):
            item.run.skipped[item.name, "hidden files"] += 1
        elif name.lower().endswith(_NO_LOG):
            item.run.skipped[item.name, _BY_NAME] += 1
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
