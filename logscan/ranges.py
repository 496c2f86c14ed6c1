"""A large file on all cores: it is narrowed range by range in processes of their own.

The ranges come back in order, and the engine, which is one, reads what is left of them.  Where a
process dies, or none can be made, the rest is narrowed here: slower, and the same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace

from logscan import forks
from logscan.errors import SourceError
from logscan.narrow import CALL, UNIT, Narrower
from logscan.quiet import Run, unfetched

RANGE = 8 << 20  # bytes
WORTH = 3 * RANGE  # a file smaller than this is read sooner than processes are made
LOOK = 1 << 20  # bytes in which a call is looked for at the border of a range
AHEAD = 2  # ranges per process that may wait for the engine

SHORTER = ("became shorter while it was read", "copy the log first, then read the copy")

Told = tuple[int, int] | Run  # (start, end) of lines for the engine, or a run
Prepare = Callable[[Sequence[Run]], None]  # see listening.Listener

_narrower: Narrower | None = None  # in a process: as it was when the process was made
_prepare: Prepare | None = None


def pieces(
    path: str, start: int, narrower: Narrower, *, inside: bool, jobs: int, prepare: Prepare | None = None
) -> Iterator[bytes | Run]:
    """What is to be read of a file from *start* to its present end, and runs of calls that went well.

    Args:
        inside: *start* is in the midst of a line.
        jobs: processes.
        prepare: is given the runs of each range in the process that has read them.

    Raises:
        SourceError: the file cannot be read, or is shorter now.
    """
    file = File(path)
    end = os.fstat(file.number).st_size
    borders = [start, *range(start + RANGE, end, RANGE), end]
    for told in _all(path, borders, narrower, prepare, inside=inside, jobs=jobs):
        for one in told:
            if isinstance(one, Run):
                one.fetch, one.lasting = file.fetch, True
                yield one
            else:
                for offset in range(one[0], one[1], UNIT):
                    yield file.fetch(offset, min(UNIT, one[1] - offset))


class File:
    """A file that calls are read from as long as a volume may ask for them."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self.number = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise SourceError(path, str(error.strerror or error).lower(), "check the path") from error

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)

    def fetch(self, offset: int, size: int) -> bytes:
        """Its bytes.

        Raises:
            SourceError: it is shorter now.
        """
        data = os.pread(self.number, size, offset)
        while len(data) < size:
            more = os.pread(self.number, size - len(data), offset + len(data))
            if not more:
                raise SourceError(self._path, *SHORTER)
            data += more
        return data


def _all(
    path: str, borders: Sequence[int], narrower: Narrower, prepare: Prepare | None, *, inside: bool, jobs: int
) -> Iterator[list[Told]]:
    """What each range tells, in order."""
    global _narrower, _prepare  # noqa: PLW0603 - the processes are forks: this is how they get them
    ranges = [
        (borders[at], borders[at + 1], inside and at == 0, at == 0, at + 2 == len(borders))
        for at in range(len(borders) - 1)
    ]
    at = 0
    if jobs > 1 and forks.possible():
        _narrower, _prepare = narrower, prepare
        try:
            with forks.pool(jobs) as pool:
                waiting: deque[Future[list[Told]]] = deque()
                sent = 0
                while at < len(ranges):
                    while sent < len(ranges) and len(waiting) < jobs * AHEAD:
                        waiting.append(pool.submit(_narrow, path, *ranges[sent]))
                        sent += 1
                    yield waiting.popleft().result()
                    at += 1
        except (BrokenProcessPool, OSError):
            pass  # the ranges that are left are narrowed here
        finally:
            _narrower = _prepare = None
    for one in ranges[at:]:
        yield list(_tell(narrower, path, *one))


def _narrow(path: str, start: int, end: int, inside: bool, first: bool, last: bool) -> list[Told]:
    """Narrow one range, in a process."""
    assert _narrower is not None
    told = list(_tell(_narrower, path, start, end, inside, first, last))
    if _prepare is not None:
        _prepared(path, [one for one in told if isinstance(one, Run)], _prepare)
    certificates = [replace(one, seen=set(), works={}) for one in _narrower.certificates]
    for one in told:
        if isinstance(one, Run):
            one.certificates = certificates
    return told


def _prepared(path: str, runs: Sequence[Run], prepare: Prepare) -> None:
    file, at, size = File(path), 0, 0
    for end, run in enumerate(runs, 1):
        run.fetch = file.fetch
        size += run.size
        if size >= LOOK or end == len(runs):  # so much at a time: what is made on the way is several times as large
            with suppress(SourceError):  # whoever reads the lines next says so
                prepare(runs[at:end])
            at, size = end, 0
    for run in runs:
        run.fetch = unfetched


def _tell(narrower: Narrower, path: str, start: int, end: int, inside: bool, first: bool, last: bool) -> Iterator[Told]:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        called = False
        if not first:
            start, inside, _ = border(os.pread(file.fileno(), LOOK, start), start)
        if not last:
            end, _, called = border(os.pread(file.fileno(), LOOK, end), end)
        narrower.begin(start, inside=inside)
        at = start  # what came back begins here
        for piece in _through(narrower, file.fileno(), start, end, followed=called):
            if isinstance(piece, Run):
                piece.fetch, at = unfetched, piece.start + piece.size
                yield piece
            else:
                yield at, at + len(piece)
                at += len(piece)


def _through(narrower: Narrower, file: int, start: int, end: int, *, followed: bool) -> Iterator[bytes | Run]:
    for offset in range(start, end, UNIT):
        yield from narrower.feed(os.pread(file, min(UNIT, end - offset), offset))
    yield from narrower.close(followed=followed)


def border(data: bytes, near: int) -> tuple[int, bool, bool]:
    """Where a range may begin: (offset from *near* on, whether that is inside a line, whether a call begins there).

    Args:
        data: what stands from *near* on, LOOK bytes of it.
    """
    call = data.find(CALL)
    line = data.rfind(b"\n", 0, call) + 1 if call > 0 else 0
    if line:
        return near + line, False, True
    line = data.find(b"\n") + 1
    return near + line, not line, False
