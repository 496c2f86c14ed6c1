"""Members of archives and dumps as logs: their parts in order, and the parts that a dump on one stream is made of.

Only ``sources`` uses this.
"""

# A path stays as the user wrote it, and pathlib would rewrite "./x".
# ruff: noqa: PTH116, PTH123

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from logscan import bundles
from logscan.errors import SourceError
from logscan.unpack import Member, printable

ROOM = 32 << 20  # bytes of a directory's logs that are held until the earlier ones have come

# `kubectl cluster-info dump` writes these around the log of each container.
_START = re.compile(rb"==== START logs for container (\S+) of pod (\S+?)/(\S+) ====\n")
_STARTS = b"==== START logs for container "
_MAX_MARK = 1024  # bytes of such a line; names have 253 characters at most
_MAX_OBJECT_HEAD = 4096
_HEAD = 64 << 10  # bytes of a file by which it is judged
_KIND = re.compile(rb'^\{\s*"kind":\s*"([A-Za-z]+)"')


def left_out(path: str) -> str | None:
    """Why a file on disk that was found is not to be read; see bundles.left_out."""
    try:
        return _judged(path, min(os.stat(path).st_size, _HEAD))
    except OSError:
        return None  # who opens it says why


@lru_cache(maxsize=4096)  # directories that are followed are looked at every second
def _judged(path: str, size: int) -> str | None:
    with open(path, "rb") as file:
        return bundles.left_out(printable(path), file.read(size))


# ---------------------------------------------------------------- order


def in_order(members: Iterator[Member | SourceError]) -> Iterator[Member | SourceError]:
    """The parts of each container's log in the order in which they were written, all else as it comes.

    The parts lie in one directory, and an archive's members of one directory follow each other.
    What is more than ROOM comes as it stands.
    """
    group = ""
    held: list[tuple[str, Member]] = []
    size = 0
    for member in members:
        here = "" if isinstance(member, SourceError) else _directory(member[0])
        if here != group:
            yield from _released(held)
            group, size = here, 0
        if isinstance(member, SourceError) or not here:
            yield member
            continue
        name, mtime, chunks = member
        data: list[bytes] = []
        fault: SourceError | None = None
        try:
            for chunk in chunks:
                data.append(chunk)
                size += len(chunk)
                if size > ROOM:
                    break
        except SourceError as error:
            fault = error
        held.append((posixpath.basename(name), (name, mtime, _content(data, fault))))
        if size > ROOM:  # this one's rest can only be read now, before the next is asked for
            key, (name, mtime, kept) = held.pop()
            held.append((key, (name, mtime, chain(kept, chunks))))
            yield from _released(held)
            size = 0
    yield from _released(held)


def _directory(name: str) -> str:
    """Where the parts of this log of ours lie; "" if it is no such log."""
    place = bundles.of("!" + name)
    if place is None or place.kind != "log" or not place.is_ours:
        return ""
    return posixpath.dirname(name) or "."


def _content(data: list[bytes], fault: SourceError | None) -> Iterator[bytes]:
    yield from data
    if fault is not None:
        raise fault


def _released(held: list[tuple[str, Member]]) -> Iterator[Member]:
    held.sort(key=lambda entry: bundles.order(entry[0]))
    while held:
        yield held.pop(0)[1]


# ---------------------------------------------------------------- dumps


def is_dump(head: bytes) -> bool:
    """Whether a file that begins with *head* is `kubectl cluster-info dump`, or the logs of one pod out of it."""
    if head.startswith(_STARTS):
        return True
    found = _KIND.match(head)
    return found is not None and found[1] == b"NodeList"


def dump_members(chunks: Iterator[bytes]) -> Iterator[Member]:
    """The objects and the logs in a dump, each to be read before the next is asked for, or it is passed over.

    Logs are named pods/logs/NAMESPACE/POD/CONTAINER.log, objects cluster-resources/KIND/NUMBER.json.
    """
    text = _Text(chunks)
    number = 0
    while text.fill(_MAX_MARK):
        start = _START.match(text.data)
        if start is not None:
            container, namespace, pod = (part.decode("utf-8", "replace") for part in start.groups())
            text.drop(start.end())
            end = b"==== END logs for container " + start[1] + b" of pod " + start[2] + b"/" + start[3] + b" ====\n"
            body = text.until(end)
            yield f"pods/logs/{namespace}/{pod}/{container}.log", None, body
        elif text.data.startswith(b"{"):
            text.fill(_MAX_OBJECT_HEAD)
            kind = _KIND.match(text.data)
            number += 1
            name = kind[1].decode().lower().removesuffix("list") if kind else "unknown"
            name = {"pod": "pods", "event": "events"}.get(name, name)
            body = text.until(b"\n}\n", keep=True)
            yield f"cluster-resources/{name}/{number}.json", None, body
        else:  # a blank line, or what kubectl says between
            body = text.until(b"\n")
        for _ in body:
            pass


class _Text:
    """Chunks that are looked into from a place on.  Mutable."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.data = b""

    def fill(self, size: int) -> bool:
        """Have *size* bytes in ``data``, or all there are; False: none."""
        parts, have = [self.data], len(self.data)
        while have < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            have += len(chunk)
        self.data = b"".join(parts)
        return bool(self.data)

    def drop(self, size: int) -> None:
        self.data = self.data[size:]

    def until(self, mark: bytes, *, keep: bool = False) -> Iterator[bytes]:
        """What comes before *mark* (and the mark, if it is to be kept); the mark is passed."""
        while True:
            at = self.data.find(mark)
            if at >= 0:
                body, self.data = self.data[: at + len(mark) * keep], self.data[at + len(mark) :]
                if body:
                    yield body
                return
            safe = len(self.data) - len(mark) + 1  # a mark may begin behind it
            if safe > 0:
                body, self.data = self.data[:safe], self.data[safe:]
                yield body
            chunk = next(self._chunks, None)
            if chunk is None:
                body, self.data = self.data, b""
                if body:
                    yield body
                return
            self.data += chunk
