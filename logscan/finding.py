"""Which files the user's words name: paths, directories, patterns and URLs -> files in the order in which they are read.

Nothing is opened here, so the list can run ahead of who reads.
"""

# A path stays as the user wrote it, and pathlib would rewrite "./x".
# ruff: noqa: PTH112, PTH114, PTH116, PTH118, PTH206, PTH207, PTH208

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import SourceError
from .unpack import printable

Skipped = Counter[tuple[str, str]]  # (where, what): how many; ("bundle.tgz", "symbolic links"): 3

STDIN = "-"
REPEATED = "files that were read already"
BY_NAME = "files that are no logs by their name"

# Only for what is found: a file that is asked for is opened whatever its name.
NO_LOG = (
    *(".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".tiff", ".webp"),
    *(".avi", ".mov", ".mp3", ".mp4", ".webm", ".ttf", ".woff", ".woff2"),
    *(".doc", ".docx", ".odt", ".pdf", ".pptx", ".xlsx", ".db", ".parquet", ".sqlite"),
    *(".bin", ".class", ".deb", ".dll", ".exe", ".iso", ".jar", ".o", ".pyc", ".qcow2", ".rpm", ".so", ".wasm"),
    *(".css", ".js", ".key", ".pem", ".pcap", ".pcapng"),
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to be read."""

    path: str  # or URL; STDIN
    name: str  # as it is shown
    place: str = ""  # the directory or pattern that it was found by, as the user wrote it; "": it was asked for
    mtime: int | None = None  # µs since the epoch
    size: int | None = None  # bytes
    regular: bool = False  # a file on disk, in which one can seek


class Begin(NamedTuple):
    """What follows was found in one place."""

    place: str


class End(NamedTuple):
    """All that was found in a place has been told."""

    place: str
    problem: str  # if there was nothing to read
    repeats: int  # files there that were told before


Entry = Found | SourceError | Begin | End


def is_url(path: str) -> bool:
    """Whether *path* is a URL and not a file of that very name."""
    return _URL.match(path) is not None and not os.path.lexists(path)


def is_pattern(path: str) -> bool:
    """Whether *path* is a pattern and not a file of that very name."""
    return any(c in path for c in "*?[") and not os.path.lexists(path)


def listed(paths: Iterable[str], skipped: Skipped) -> Iterator[Entry]:
    """What *paths* name, in order; a file that was met before, by whatever name, is told once.

    Args:
        paths: as open_sources takes them.
        skipped: counts what was passed over.
    """
    book = _Book(skipped)
    for path in paths:
        if path == STDIN:
            yield Found(STDIN, STDIN)
        elif is_url(path):
            yield from _listed_url(path, book)
        elif os.path.isdir(path):
            yield from _group(path, _walk(path, path, skipped), "the directory holds no logs", book)
        elif is_pattern(path):
            yield from _group(path, _match(path, skipped), "no log matches this pattern", book)
        else:
            yield from _file(path, "", book)


def find(place: str, skipped: Skipped) -> Iterator[str | SourceError]:
    """The regular files in a directory, or those that match a pattern, by name.

    Args:
        skipped: counts what was passed over.
    """
    from logscan.parts import left_out

    for path in _match(place, skipped) if is_pattern(place) else _walk(place, place, skipped):
        if isinstance(path, str) and path.lower().endswith(NO_LOG):
            skipped[place, BY_NAME] += 1
        elif isinstance(path, str) and (reason := left_out(path)):
            skipped[place, reason] += 1
        else:
            yield path


@dataclass(slots=True)
class _Book:
    skipped: Skipped
    seen: set[tuple[int, int] | str] = field(default_factory=set)  # (device, inode) or URL of files that were told
    repeats: int = 0

    def repeated(self, key: tuple[int, int] | str, place: str) -> bool:
        """Whether a file was told before."""
        if key in self.seen:
            self.repeats += 1
            self.skipped[place, REPEATED] += 1
            return True
        self.seen.add(key)
        return False


def _group(place: str, paths: Iterable[str | SourceError], problem: str, book: _Book) -> Iterator[Entry]:
    before = book.repeats
    yield Begin(place)
    for path in paths:
        if isinstance(path, SourceError):
            yield path
        else:
            yield from _file(path, place, book)
    yield End(place, problem, book.repeats - before)


def _file(path: str, place: str, book: _Book) -> Iterator[Entry]:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        yield os_fault(path, error)
        return
    name = printable(path)
    if is_device(status):
        yield SourceError(name, "is a device or a socket", "give a file, a directory or a pipe")
        return
    if not stat.S_ISREG(status.st_mode):
        yield Found(path, name, place)
    elif place and path.lower().endswith(NO_LOG):
        book.skipped[place, BY_NAME] += 1
    elif not book.repeated((status.st_dev, status.st_ino), place or name):
        yield Found(path, name, place, status.st_mtime_ns // 1000, status.st_size, regular=True)


def _walk(root: str, place: str, skipped: Skipped) -> Iterator[str | SourceError]:
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
                skipped[place, "pipes, sockets and devices"] += 1
            elif linked and path != root:
                skipped[place, "links to directories"] += 1
            else:
                names = sorted(os.listdir(path), key=order, reverse=True)
                shown = [name for name in names if not name.startswith(".")]
                if len(shown) < len(names):
                    skipped[place, "hidden files"] += len(names) - len(shown)
                stack.extend(os.path.join(path, name) for name in shown)
        except OSError as error:
            if linked and error.errno in {errno.ENOENT, errno.ELOOP}:
                skipped[place, "links to nothing"] += 1
            else:
                yield os_fault(path, error)


def _match(pattern: str, skipped: Skipped) -> Iterator[str | SourceError]:
    """Expand *pattern*; ``**`` by our own walk, since glob's follows links round and round."""
    from fnmatch import fnmatchcase
    from glob import glob, has_magic

    from logscan.bundles import order

    parts = pattern.split("/")
    if "**" not in parts:
        for path in sorted(glob(pattern), key=lambda path: [order(part) for part in path.split("/")]):
            yield from _walk(path, pattern, skipped)
        return

    def matches(names: Sequence[str], wanted: Sequence[str]) -> bool:
        if not wanted:
            return not names
        if wanted[0] == "**":
            return matches(names, wanted[1:]) or (bool(names) and matches(names[1:], wanted))
        return bool(names) and fnmatchcase(names[0], wanted[0]) and matches(names[1:], wanted[1:])

    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    base = "/".join(parts[:fixed]) or ("/" if fixed else ".")
    if not os.path.isdir(base):
        return
    for entry in _walk(base, pattern, skipped):
        if isinstance(entry, SourceError):
            yield entry
        elif matches(os.path.relpath(entry, base).split(os.sep), parts[fixed:]):
            yield entry if fixed else os.path.relpath(entry, base)


def _listed_url(url: str, book: _Book) -> Iterator[Entry]:
    """One object, or those below a prefix or of a pattern, in the order of a walk over the same tree on disk."""
    from logscan import remote
    from logscan.bundles import order

    place = remote.shown(url)
    try:
        objects, asked = remote.listed(url)
    except SourceError as error:
        yield error
        return
    if asked:
        for one in objects:
            name = remote.shown(one.url)
            if not book.repeated(one.url, name):
                yield Found(one.url, name, "", one.mtime, one.size)
        return
    before = book.repeats
    yield Begin(place)
    for one in sorted(objects, key=lambda one: [order(part) for part in one.url.split("/")]):
        if any(part.startswith(".") for part in one.below.split("/")):
            book.skipped[place, "hidden files"] += 1
        elif one.url.lower().endswith(NO_LOG):
            book.skipped[place, BY_NAME] += 1
        elif not book.repeated(one.url, place):
            yield Found(one.url, remote.shown(one.url), place, one.mtime, one.size)
    yield End(place, "no log matches this URL", book.repeats - before)


def os_fault(path: str, error: OSError | ValueError) -> SourceError:
    """What the system says of a path, in our words."""
    if isinstance(error, FileNotFoundError):
        problem = "the link points to nothing" if os.path.islink(path) else "no such file or directory"
        return SourceError(printable(path), problem, "check the path; a directory or a pattern in quotes works too")
    if isinstance(error, PermissionError):
        return SourceError(printable(path), "permission denied", "run as a user who may read it, or copy it")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SourceError(printable(path), f"cannot be read: {reason}", "check the path and the disk")


def is_device(status: os.stat_result) -> bool:
    """Whether a file is a socket or a device, which may be without end, or do something when it is opened.

    /dev/null is none, and a terminal is none if it is the one that standard input is.
    """
    mode = status.st_mode
    if not stat.S_ISCHR(mode):
        return stat.S_ISBLK(mode) or stat.S_ISSOCK(mode)
    try:
        if status.st_rdev == os.stat(os.devnull).st_rdev:
            return False
        return not (os.isatty(0) and os.fstat(0).st_rdev == status.st_rdev)
    except OSError:
        return True
