"""The order of lines: exports of log stores have the newest first, and nothing of a log can be understood so."""

from __future__ import annotations

from collections.abc import Iterable

from logscan.model import Line
from logscan.shippers import is_klog

MAX_LINES = 200_000  # held of an input whose newest line comes first; a larger one is read as it stands
MAX_SIZE = 32 << 20  # characters of them
FALLS = 4  # headers in a row that are each older than the one before, and none newer
UNDECIDED = 200  # lines after which an input that does not say is taken as it stands


def upright(texts: Iterable[str]) -> bool:
    """Whether *texts* are as they were written, the oldest first, or do not say."""
    judge = _Judge()
    for text in texts:
        if (decided := judge.see("", text)) is not None:
            return decided
    return True


class _Judge:
    def __init__(self) -> None:
        self._last: dict[str, str] = {}  # stream -> when its last header was written
        self._falls = 0

    def see(self, stream: str, text: str) -> bool | None:
        """Whether lines come as they were written; None as long as that is not known."""
        if not is_klog(text):
            return None
        written = text[1:21]  # month, day and time, which sort as they follow within a year
        before, self._last[stream] = self._last.get(stream, ""), written
        if before and written > before:
            return True
        self._falls += written < before
        return False if self._falls >= FALLS else None


class Order:
    """Gives the lines of one input in the order in which they were written.  Mutable."""

    def __init__(self) -> None:
        self._judge = _Judge()
        self._held: list[list[Line]] = []  # what came together: the lines of one entry are in order
        self._size = self._lines = 0
        self.known = False  # the lines come as they were written
        self._reversed = False

    def feed(self, lines: list[Line]) -> list[Line]:
        """Take lines that came together; returns those that are next."""
        if not lines or self.known:
            return lines
        self._held.append(lines)
        self._lines += len(lines)
        self._size += sum(len(line.text) for line in lines)
        if self._reversed:
            return self._give_up() if self._lines > MAX_LINES or self._size > MAX_SIZE else []
        for line in lines:
            upright = self._judge.see(line.origin.stream, line.text)
            if upright:
                return self._give_up()
            if upright is False:
                self._reversed = True
                return []
        return self._give_up() if self._lines > UNDECIDED else []

    def close(self) -> list[Line]:
        """The input is over: what was held."""
        if self._reversed:
            self._held.reverse()
        return self._give_up()

    def _give_up(self) -> list[Line]:
        held, self._held = self._held, []
        self.known, self._reversed = True, False
        return [line for lines in held for line in lines]
