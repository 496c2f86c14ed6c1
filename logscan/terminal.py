"""Terminal, files and signals, for cli alone: where a report goes, how wide, how coloured."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self, TextIO, TypeVar

from logscan import filing
from logscan.compare import Diff
from logscan.errors import LogscanError
from logscan.model import Report, Trace
from logscan.report import DIFF_WRITERS, ENDINGS, TRACE_WRITERS, WRITERS
from logscan.undo import undone_by

T = TypeVar("T")
C = TypeVar("C", bound=Sized)

# ---------------------------------------------------------------- where to


# The summary of the job that a step of GitHub Actions belongs to: Markdown, to which each step adds.
STEP_SUMMARY = "@step-summary"
_STEP_SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_STEP_SUMMARY_LIMIT = 1 << 20  # bytes of a step; of more GitHub shows nothing at all


@dataclass(frozen=True, slots=True)
class Target:
    """Where a report goes: ``path`` "-" is standard output, ``append``: after what is there."""

    format: str
    path: str
    append: bool = False


def targets(
    outputs: Sequence[str], format_: str | None, inputs: Sequence[str], *, default: str = "text"
) -> list[Target]:
    """Understand the ``--output`` options, and refuse before reading what could not be written after it.

    A format is, in this order: the one before the file's name, *format_*, what the
    file's ending says, *default*.

    Raises:
        LogscanError: for an unknown format, a missing directory, two reports for
            one place, or a file that is also an input.
    """
    found = [_target(value, format_, default) for value in outputs] or [Target(format_ or default, "-")]
    paths = [one.path if one.path == "-" else os.path.realpath(one.path) for one in found]
    for target, path in zip(found, paths, strict=True):
        if paths.count(path) > 1:
            raise LogscanError(target.path, "two reports are to be written to it", "give each its own file")
        if path != "-":
            refuse(target.path, inputs)
    return found


def refuse(place: str, inputs: Sequence[str]) -> None:
    """Refuse a file that could not be written in the end.

    Raises:
        LogscanError: it is a directory, an input, or in no directory.
    """
    path = os.path.realpath(place)
    if path in {os.path.realpath(one) for one in inputs if one != "-"}:
        raise LogscanError(place, "it is an input too", "write the report to another file")
    if os.path.isdir(path):  # noqa: PTH112 - where access is denied, Path.is_dir raises
        raise LogscanError(place, "it is a directory", "name a file in it")
    _refuse_parent(place, Path(path).parent)


def _refuse_parent(path: str, parent: Path) -> None:
    try:
        mode = parent.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except OSError as error:
        raise LogscanError(path, f"cannot be written: {error.strerror or error}") from error
    if not stat.S_ISDIR(mode):
        raise LogscanError(path, "its directory does not exist", f"mkdir -p {Path(path).parent}")


def _target(value: str, format_: str | None, default: str) -> Target:
    if not value:
        raise LogscanError("--output", "an empty name", "name a file; - is standard output")
    name, equals, path = value.partition("=")
    if not equals or not name.isalnum():
        return _step_summary(format_) if value == STEP_SUMMARY else Target(format_ or _by_ending(value, default), value)
    if name not in WRITERS:
        known = ", ".join(WRITERS)
        raise LogscanError(value, f"there is no format {name!r}", f"one of {known}; a file of that name is ./{value}")
    return _step_summary(name) if path == STEP_SUMMARY else Target(name, path or "-")


def _by_ending(path: str, default: str) -> str:
    name = Path(path).name.lower()
    # The longest first: report.sarif.json is SARIF.
    fits = [ending for ending in ENDINGS if name.endswith(ending)]
    return ENDINGS[max(fits, key=len)] if fits else default


def _step_summary(format_: str | None) -> Target:
    if format_ not in {None, "markdown"}:
        raise LogscanError(STEP_SUMMARY, f"a summary is Markdown, not {format_}", f"--output {STEP_SUMMARY}")
    path = os.environ.get(_STEP_SUMMARY_VARIABLE)
    if not path:
        problem = f"{_STEP_SUMMARY_VARIABLE} is not set"
        raise LogscanError(
            STEP_SUMMARY, problem, "GitHub Actions sets it for a step; elsewhere: --output markdown=FILE"
        )
    return Target("markdown", path, append=True)


def write_all(report: Report, places: Iterable[Target], *, width: int | None, color: str) -> list[LogscanError]:
    """Write a report to each place; one that cannot be written costs none of the others.

    Returns:
        What could not be written.
    """
    faults = []
    # Standard output comes last: if its reader has gone, the files are complete.
    for target in sorted(places, key=lambda one: one.path == "-"):
        try:
            write(report, target, width=width, color=color)
        except LogscanError as error:
            faults.append(error)
    return faults


def write(report: Report | Trace | Diff, target: Target, *, width: int | None, color: str) -> None:
    """Write a report, a trace or a comparison: to standard output, or to a file that has either all of it or is as before.

    Raises:
        LogscanError: the file cannot be written.
    """
    writer = _writer(report, target.format)
    if target.path == "-":
        out = stdout()
        writer(report, out, width=width or width_of_terminal(), color=colored(color, out))
        out.flush()
        return
    if target.append:
        _append(writer, report, Path(os.path.realpath(target.path)))
        return
    filing.save(target.path, lambda file: writer(report, file, width=width or 80, color=color == "always"))


def _append(writer: Callable[..., None], report: Report | Trace | Diff, path: Path) -> None:
    """Add a report to what other steps have written, all of it or nothing."""
    import io

    text = io.StringIO()
    writer(report, text, width=80, color=False)
    data = text.getvalue().encode("utf-8", "backslashreplace")
    try:
        with path.open("ab") as file:
            before = file.seek(0, os.SEEK_END)
            if before + len(data) > _STEP_SUMMARY_LIMIT:
                problem = f"the summary would have {before + len(data):,} bytes; GitHub shows at most 1 MiB"
                raise LogscanError(str(path), problem, "write the Markdown to a file, and keep it as an artifact")
            try:
                with undone_by(lambda: os.truncate(path, before)):
                    file.write(data)
                    file.flush()
            except OSError:
                with suppress(OSError):
                    file.truncate(before)
                raise
    except OSError as error:
        raise LogscanError(str(path), f"cannot be written: {error.strerror or error}") from error


def _writer(report: Report | Trace | Diff, format_: str) -> Callable[..., None]:
    if isinstance(report, Diff):
        return DIFF_WRITERS[format_]
    return TRACE_WRITERS[format_] if isinstance(report, Trace) else WRITERS[format_]


def stdout() -> TextIO:
    """Standard output, made so that no character can fail to be printed.

    Raises:
        LogscanError: the caller closed it.
    """
    if sys.stdout is None:
        raise LogscanError("standard output", "is closed", "write to a file: --output FILE")
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a test's stand-in may have none
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return sys.stdout


def width_of_terminal() -> int:
    """Columns: COLUMNS, else those of the terminal, else 80."""
    import shutil

    return shutil.get_terminal_size().columns


def colored(choice: str, out: TextIO) -> bool:
    """Whether to colour: the option, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    environ = os.environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return environ.get("CLICOLOR") != "0" and environ.get("TERM") != "dumb" and out.isatty()


# ---------------------------------------------------------------- while reading


class Interrupts:
    """Ctrl-C ends the reading and not the report; a second one ends all.

    The handler raises only while we wait for input.  A signal that comes while
    records are worked on is heeded at the next chunk, so no half-made record
    is left behind.
    """

    def __init__(self) -> None:
        self.hit = False
        self._waiting = False
        self._old: Any = None

    def __enter__(self) -> Self:
        # A job in the background has it ignored, and so it stays.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            try:
                self._old = signal.signal(signal.SIGINT, self._on_signal)
            except ValueError:  # not in the main thread, where no signal arrives
                self._old = None
        return self

    def __exit__(self, *exception: object) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        again, self.hit = self.hit, True
        if self._waiting or again:
            raise KeyboardInterrupt

    def until(self, items: Iterable[T]) -> Iterator[T]:
        """The items that come before a Ctrl-C."""
        iterator = iter(items)
        while not self.hit:
            try:
                self._waiting = True
                item = next(iterator)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._waiting = False
            yield item

    def before(self, items: Iterable[T]) -> Iterator[T]:
        """The items that come before a Ctrl-C, which breaks none off in its midst."""
        for item in items:
            yield item
            if self.hit:
                return


class _Counting(Protocol):
    records: int


class Progress:
    """Bytes and records on stderr, if it is a terminal and the run takes more than a second."""

    FIRST = 1.0  # seconds
    NEXT = 0.2
    BAR = 20  # columns

    def __init__(self, scanner: _Counting, *, wanted: bool) -> None:
        self._scanner = scanner
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._due = time.monotonic() + self.FIRST
        self._bytes = 0
        self._shown = 0
        self._part = ""  # of a whole that is known, as a bar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._shown:
            self._show("")

    def count(self, chunks: Iterable[C]) -> Iterator[C]:
        """Pass *chunks* on, counted."""
        for chunk in chunks:
            yield chunk
            self._bytes += len(chunk)
            self._show_if_due()

    def part(self, done: int, total: int, what: str) -> None:
        """Tell how much of a whole is done: a bar before the bytes and records."""
        full = done * self.BAR // max(total, 1)
        self._part = f"[{'=' * full:<{self.BAR}}] {done:,}/{total:,} {what}; "
        self._show_if_due()

    def _show_if_due(self) -> None:
        if self._wanted and time.monotonic() >= self._due:
            self._due = time.monotonic() + self.NEXT
            self._show(f"{self._part}{self._bytes / 1e6:,.1f} MB, {self._scanner.records:,} records")

    def _show(self, text: str) -> None:
        # Blanks rather than an escape sequence: a dumb terminal knows none.
        sys.stderr.write(f"\r{text:<{self._shown}}" + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = len(text)
