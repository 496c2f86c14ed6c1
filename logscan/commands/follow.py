"""``logscan --follow``: what the user sees while logs go on."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from logscan.edge import err

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logscan.commands.figures import Figures
    from logscan.commands.redacting import Veil
    from logscan.follow import Follower
    from logscan.ledger import Entry
    from logscan.model import Happening, Report, Severity
    from logscan.scan import Scanner
    from logscan.terminal import Target


def watch(
    scanner: Scanner,
    files: Sequence[str],
    targets: Sequence[Target],
    lowest: Severity,
    figures: Figures,
    veil: Veil,
    *,
    width: int | None,
    color: str,
) -> Report:
    """Follow *files* until they end or Ctrl-C is pressed, and tell on standard output what becomes of the diagnoses.

    Returns:
        The report on all that was read.
    """
    from logscan.errors import SourceError
    from logscan.follow import Follower
    from logscan.tail import Tail
    from logscan.terminal import Interrupts

    stdin = getattr(sys.stdin, "buffer", None)  # the caller may have closed it
    if "-" in files and stdin is None:
        scanner.read(SourceError("-", "standard input is closed", "pipe a log in or name a file"))
    with Interrupts() as interrupts:
        tail = Tail(files, stdin, scanner.skipped)
        follower = Follower(scanner, tail, lowest)
        view = _view(targets, veil, width, color)
        waited_for: set[str] = set()
        while not (interrupts.hit or follower.over):
            for happened in interrupts.before(follower.step()):
                view.tell(veil.happenings(happened))
            for path in tail.missing():
                if path not in waited_for:
                    waited_for.add(path)
                    view.clear()
                    err(f"logscan: {veil.place(path)}: no such file yet; waiting for it")
            view.draw(follower)
            figures.save_if_due(follower.report)
        for path in tail.missing():
            problem = "no such file or directory"
            scanner.read(SourceError(path, problem, "it did not come while it was waited for; check the path"))
        view.clear()
        report, happened = follower.close(interrupted=interrupts.hit)
        view.end(veil.happenings(happened))
    return report


class _View(Protocol):
    """Shows how it goes on."""

    def tell(self, happened: list[Happening]) -> None:
        """Something became of diagnoses."""

    def draw(self, follower: Follower) -> None:
        """Some time has passed."""

    def clear(self) -> None:
        """Make room: something else will be written."""

    def end(self, happened: list[Happening]) -> None:
        """The last that became of diagnoses; the report will be written."""


def _view(targets: Sequence[Target], veil: Veil, width: int | None, color: str) -> _View:
    from logscan import terminal

    shown = next((one.format for one in targets if one.path == "-"), None)
    if shown not in {"text", "ndjson"}:
        return _Nothing()
    out = terminal.stdout()
    if shown == "ndjson":
        return _Stream(out, None, colored=False)
    colored = terminal.colored(color, out)
    if out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Area(out, width, veil.entries, colored=colored)
    return _Stream(out, width or terminal.width_of_terminal(), colored=colored)


class _Nothing:
    """For formats that can only be written as a whole, and for files."""

    def tell(self, happened: list[Happening]) -> None:
        """Nothing."""

    def draw(self, follower: Follower) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""

    def end(self, happened: list[Happening]) -> None:
        """Nothing."""


class _Stream(_Nothing):
    """Lines that are only ever added: text, or with no *width* JSON."""

    def __init__(self, out: TextIO, width: int | None, *, colored: bool) -> None:
        self._out = out
        self._width = width
        self._colored = colored
        self._told = False

    def tell(self, happened: list[Happening]) -> None:
        """Write a line or a few for each."""
        from logscan.report import happenings

        for one in happened:
            self._told = True
            if self._width is None:
                happenings.write_ndjson(one, self._out)
            else:
                happenings.write_text(one, self._out, width=self._width, color=self._colored)
        if happened:
            self._out.flush()

    def end(self, happened: list[Happening]) -> None:
        """Of what only grew, people read the last in the report, which an empty line sets apart."""
        self.tell([one for one in happened if self._width is None or one.kind != "updated"])
        if self._told and self._width is not None:
            self._out.write("\n")


class Area(_Nothing):
    """A few lines of a terminal that are redrawn in place, in one write, and only if they have changed."""

    EVERY = 0.5  # seconds: more often nobody can read it

    def __init__(
        self, out: TextIO, width: int | None, shown: Callable[[list[Entry]], list[Entry]] = list, *, colored: bool
    ) -> None:
        self._out = out
        self._width = width
        self._shown = shown
        self._colored = colored
        self._drawn: list[int] = []  # columns of the lines that are there
        self._text = ""
        self._size = (0, 0)
        self._due = 0.0

    def draw(self, follower: Follower) -> None:
        """Show how it stands."""
        from logscan.report import area

        size = _size(self._out)
        now = time.monotonic()
        if now < self._due and size == self._size:
            return
        self._due = now + self.EVERY
        # One column less, because some terminals break a line that fills the last.
        width = max(20, min(self._width or size[0], size[0]) - 1)
        lines = area.lines(
            follower.report, self._shown(follower.ledger.entries()), records=follower.scanner.records,
            now=time.time_ns() // 1000, width=width, height=max(4, size[1] - 1),
        )  # fmt: skip
        text = "".join(
            (f"\x1b[{style}m{line}\x1b[0m" if style and self._colored else line) + "\x1b[K\n" for line, style in lines
        )
        if text == self._text and size == self._size:
            return
        # Between 2026h and 2026l a terminal that knows them shows nothing half drawn.
        self._out.write(f"\x1b[?2026h{self._back(size[0])}{text}\x1b[J\x1b[?2026l")
        self._out.flush()
        self._drawn, self._text, self._size = [len(line) for line, _ in lines], text, size

    def _back(self, columns: int) -> str:
        """To the start of the area; a terminal that was made narrower has broken its lines."""
        rows = sum(max(1, -(-drawn // max(1, columns))) for drawn in self._drawn)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def clear(self) -> None:
        """Leave the terminal as it was before."""
        if self._drawn:
            self._out.write(f"{self._back(_size(self._out)[0])}\x1b[J")
            self._out.flush()
        self._drawn, self._text = [], ""


def _size(out: TextIO) -> tuple[int, int]:
    try:
        size = os.get_terminal_size(out.fileno())
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24
