"""Bytes as they are written, as ``tail -F`` gives them: standard input, pipes, files, directories and patterns.

A pipe is read until its writer closes it; it is never opened twice, as what was read of it is gone.  A file is read from its beginning, and goes on through rotation: by another file of its name (what was not yet read of
the old one comes first) and by truncation.  It may not exist yet.  Directories and patterns are looked at again from
time to time.  Files are polled: what notifies of changes does not do so on network file systems and overlays.
"""

# A path stays as the user wrote it, and pathlib would rewrite "./x".
# ruff: noqa: PTH116, PTH123

from __future__ import annotations

import os
import select
import stat
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from logscan import finding, sources
from logscan.errors import SourceError
from logscan.unpack import printable

CHUNK = 1 << 16
POLL = 0.1  # seconds between two looks at the files
LOOK = 1.0  # seconds between two looks at directories and patterns
MAX_FILES = 1_000  # followed at a time
MAX_HEADS = 4_096  # heads of files remembered, so that a rotated one is not taken for a new one
HEAD = 256  # bytes
LEFT = 10.0  # seconds after which a file that has gone from a directory is over
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of an input: bytes, or its end (no bytes), or that it cannot be read."""

    name: str
    data: bytes = b""
    error: SourceError | None = None
    piped: bool = False  # of a pipe: whoever writes it says when it is over


@dataclass(slots=True)
class _File:
    """One file that is followed.  Mutable."""

    path: str
    asked: bool  # by name: it is waited for, however long
    file: BinaryIO | None = None
    inode: tuple[int, int] = (0, 0)
    position: int = 0
    mtime: int = -1  # ns, when it was last read to its end
    head: bytes = b""
    last: bytes = b"\n"  # the last byte read
    drained: int = 0  # how often nothing was left to read since another file took its name
    gone: float | None = None  # since when no file has its name


class Tail:
    """Follows *paths*, each of which is "-", a pipe, a file (that may not exist yet), a directory or a pattern.

    Args:
        stdin: what "-" is; a raw file, with a descriptor.
        skipped: counts what was passed over, as sources.open_sources does.
    """

    def __init__(
        self, paths: Sequence[str], stdin: BinaryIO | None = None, skipped: sources.Skipped | None = None
    ) -> None:
        self._pipes: dict[str, BinaryIO] = {STDIN: stdin} if STDIN in paths and stdin is not None else {}
        self._begun: set[str] = set()  # pipes of which something was read
        named = [path for path in dict.fromkeys(paths) if path != STDIN]
        self._places = [path for path in named if not finding.is_url(path)]
        self._skipped = sources.Skipped() if skipped is None else skipped
        self._files: dict[str, _File] = {}
        self._heads: OrderedDict[bytes, None] = OrderedDict()
        self._passed: set[str] = set()  # found, and not to be followed
        self._looked = float("-inf")
        self._polled = float("-inf")
        self._first = True
        # Packed, no plain text, or the object of a store, which never grows: to be read once.
        self.unfollowed = [path for path in named if finding.is_url(path)]
        self.packed: list[tuple[str, Iterator[bytes]]] = []  # the same of pipes: their names and all their bytes
        self.crowded = 0  # files that were too many
        self._look()

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return not self._pipes and not self._places

    def missing(self) -> list[str]:
        """Files that were asked for and do not exist yet."""
        return [one.path for one in self._files.values() if one.asked and one.file is None]

    def poll(self, wait: float) -> Iterator[Piece]:
        """What came, each input by turns; waits at most *wait* seconds for something to come."""
        end = time.monotonic() + wait
        while True:
            met = False
            if time.monotonic() - self._polled >= POLL or not self._wait(0):
                for piece in self._poll_files():
                    met = True
                    yield piece
            left = max(0.0, end - time.monotonic())
            pause = 0.0 if met else min(left, POLL) if self._files or self._places else left
            for name in self._wait(pause):
                met = True
                yield from self._read_pipe(name)
            if met or left <= 0:
                return

    # ------------------------------------------------------------ pipes

    def _wait(self, seconds: float) -> list[str]:
        """Wait for the pipes; the names of those that have something to say."""
        if not self._pipes:
            if seconds > 0:
                time.sleep(seconds)
            return []
        ready = select.select(self._pipes.values(), [], [], seconds)[0]
        return [name for name, file in self._pipes.items() if file in ready]

    def _read_pipe(self, name: str) -> Iterator[Piece]:
        file = self._pipes[name]
        try:
            data = os.read(file.fileno(), CHUNK)
        except OSError as error:
            self._hang_up(name)
            yield Piece(name, error=finding.os_fault(name, error), piped=True)
            return
        if name not in self._begun and not sources.is_plain(data):
            del self._pipes[name]
            self.packed.append((name, _whole(data, file, name)))
            return
        self._begun.add(name)
        if not data:
            self._hang_up(name)
        yield Piece(name, data, piped=True)

    def _hang_up(self, name: str) -> None:
        file = self._pipes.pop(name)
        if name != STDIN:
            file.close()

    # ------------------------------------------------------------ files

    def _look(self) -> None:
        """Find the files of all places; those that came since the last look, too."""
        self._looked = time.monotonic()
        for place in self._places:
            if not os.path.isdir(place) and not finding.is_pattern(place):  # noqa: PTH112
                if place not in self._files and place not in self._passed:
                    self._files[place] = _File(place, asked=True)
                continue
            for path in finding.find(place, self._skipped if self._first else sources.Skipped()):
                if isinstance(path, str) and path not in self._files and path not in self._passed:
                    self._take(path)
        self._first = False

    def _take(self, path: str) -> None:
        if len(self._files) >= MAX_FILES:
            self.crowded += 1
        elif self._first or not self._is_rotated(path):
            self._files[path] = _File(path, asked=False)
            return
        if len(self._passed) < MAX_HEADS:
            self._passed.add(path)

    def _is_rotated(self, path: str) -> bool:
        """Whether a file that appeared is what a followed one was before: by its name, or by its first bytes."""
        folder, name = os.path.split(path)
        for other in self._files:
            where, known = os.path.split(other)
            if where == folder and name.startswith((f"{known}.", f"{known}-")):
                return True
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD)
        except OSError:
            return False
        return head in self._heads or not sources.is_plain(head)

    def _poll_files(self) -> Iterator[Piece]:
        self._polled = time.monotonic()
        if self._polled - self._looked >= LOOK:
            self._look()
        for one in list(self._files.values()):
            yield from self._poll_file(one)

    def _poll_file(self, one: _File) -> Iterator[Piece]:
        name = printable(one.path)
        try:
            if one.file is None and not self._open(one):
                return
            assert one.file is not None
            status = os.fstat(one.file.fileno())
            if (status.st_size, status.st_mtime_ns) == (one.position, one.mtime):
                yield from self._successor(one, name)
                return
            one.mtime = status.st_mtime_ns
            if self._is_truncated(one, status.st_size):
                one.position, one.head = 0, b""
                one.file.seek(0)
                yield from self._cut(one, name)
            # To the end as it is now, and then to the next file: in the order in which diagnose reads them.
            while one.position < status.st_size and (data := one.file.read(CHUNK)):
                one.position += len(data)
                one.last = data[-1:]
                self._note_head(one, data)
                one.drained = 0
                yield Piece(name, data)
        except OSError as error:
            self._drop(one)
            yield Piece(name, error=finding.os_fault(one.path, error))

    @staticmethod
    def _cut(one: _File, name: str) -> Iterator[Piece]:
        """What comes next is no part of the last line."""
        if one.last != b"\n":
            one.last = b"\n"
            yield Piece(name, b"\n")

    def _open(self, one: _File) -> bool:
        """Open a file that is to be read from its beginning; False if it does not exist yet."""
        try:
            file = open(one.path, "rb", buffering=0, opener=_unblocked)  # noqa: SIM115 - closed by _drop and _successor
        except FileNotFoundError:
            if not one.asked:
                self._drop(one)
            return False
        status = os.fstat(file.fileno())
        piped = stat.S_ISFIFO(status.st_mode)
        if piped or not stat.S_ISREG(status.st_mode) or not sources.is_plain(file.read(HEAD)):
            if piped:
                os.set_blocking(file.fileno(), True)
                self._pipes[printable(one.path)] = file
            else:
                # An archive has no end that moves, and a device is refused.
                file.close()
                self.unfollowed.append(one.path)
            self._drop(one)
            self._passed.add(one.path)
            self._places = [place for place in self._places if place != one.path]
            return False
        file.seek(0)
        one.file, one.inode = file, (status.st_dev, status.st_ino)
        one.position, one.mtime, one.head, one.drained, one.gone = 0, -1, b"", 0, None
        return True

    @staticmethod
    def _is_truncated(one: _File, size: int) -> bool:
        assert one.file is not None
        if size < one.position:
            return True
        # It may have grown beyond its old size since.
        return bool(one.head) and os.pread(one.file.fileno(), len(one.head), 0) != one.head

    def _note_head(self, one: _File, data: bytes) -> None:
        if len(one.head) < HEAD and one.position == len(one.head) + len(data):
            one.head += data[: HEAD - len(one.head)]
            if len(one.head) == HEAD:
                self._heads[one.head] = None
                if len(self._heads) > MAX_HEADS:
                    self._heads.popitem(last=False)

    def _successor(self, one: _File, name: str) -> Iterator[Piece]:
        """All of a file has been read: look whether another has taken its name."""
        assert one.file is not None
        try:
            status = os.stat(one.path)
        except FileNotFoundError:
            one.gone = one.gone or time.monotonic()
            if not one.asked and time.monotonic() - one.gone >= LEFT:
                self._drop(one)
                yield Piece(name)
            return
        one.gone = None
        if (status.st_dev, status.st_ino) == one.inode:
            return
        # Its writer may still have it open: look once more.
        one.drained += 1
        if one.drained < 2:
            return
        one.file.close()
        one.file = None
        yield from self._cut(one, name)
        if self._open(one):
            yield from self._poll_file(one)

    def _drop(self, one: _File) -> None:
        if one.file is not None:
            one.file.close()
            one.file = None
        self._files.pop(one.path, None)
        if one.asked:
            self._places = [place for place in self._places if place != one.path]

    def close(self) -> None:
        """Close all files."""
        for one in list(self._files.values()):
            self._drop(one)
        for name in list(self._pipes):
            self._hang_up(name)


def _unblocked(path: str, flags: int) -> int:
    """Open what may be a pipe that nobody writes to yet, without waiting for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _whole(head: bytes, file: BinaryIO, name: str) -> Iterator[bytes]:
    """*head*, and the rest of a pipe."""
    yield head
    try:
        while data := os.read(file.fileno(), CHUNK):
            yield data
    except OSError as error:
        raise finding.os_fault(name, error) from error
    finally:
        if name != STDIN:
            file.close()
