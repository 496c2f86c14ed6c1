"""How much was logged when: records by severity, in a few spans of time, whatever the length of the log.

The width of a span follows from the first and the last time alone, and spans begin where the calendar has them,
so that neither the order of reading nor the cutting of a log changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from logscan.model import Activity, Bar, Severity
from logscan.quiet import Run
from logscan.stamps import DAY, civil

MAX_BARS = 240
SECOND = 1_000_000
# Each divides the next, so that bars can be joined; from a day on they double.
_WIDTHS = tuple(SECOND * n for n in (1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400))
_STAMP = len("I0720 09:53:52.387108")
_FAILED = len(Severity)  # where a bar counts failed calls, behind the records of each severity


class Histogram:
    """Takes records and failed calls as they come; gives the bars when the log is over."""

    def __init__(self) -> None:
        self._width = _WIDTHS[0]
        self._bars: dict[int, list[int]] = {}  # by time // width
        self._first = self._last = 0  # keys of it
        # The bar that was added to last, and its time: most records go where the one before went.
        self._bar: list[int] = []
        self._low = self._high = 0

    def add(self, time: int, severity: int) -> None:
        """Count a record."""
        if not self._low <= time < self._high:
            self._turn_to(time)
        self._bar[severity] += 1

    def fail(self, time: int) -> None:
        """Count a call that failed."""
        if not self._low <= time < self._high:
            self._turn_to(time)
        self._bar[_FAILED] += 1

    def pass_over(self, run: Run, first: int | None, last: int | None, year: int | None, zone: int) -> None:
        """Count the records of calls that were not read, each in the bar of its own time.

        Args:
            first, last: times of the run's first and last record.
            year, zone: of its stamps, see klog.Parser.dating.
        """
        # Stamps that no calendar has may be among them, but an hour beyond the 23rd only before the next day.
        if first is None or last is None or run.first[3:5] != run.last[3:5]:
            for line in _lines(run.text()):
                time = _dated(line, year, zone)
                if time is not None:
                    self.add(time, _severity(line))
            return
        self._turn_to(first)
        self._turn_to(last)
        used = {kind: run.certificates[kind] for kind in set(run.kinds)}
        lines = {kind: one.lines for kind, one in used.items()}
        warnings = {kind: one.problems for kind, one in used.items()}
        # A run's stamps never go back: the records of its calls from one on lie between the times of two headers.
        zero = first - _clock(run.first)
        parts = [(0, len(run.kinds), first, last)]
        while parts:
            start, end, since, until = parts.pop()
            if since // self._width == until // self._width:
                self._turn_to(since)
                kinds = run.kinds[start:end]
                bad = sum(map(warnings.__getitem__, kinds))
                self._bar[Severity.INFO] += sum(map(lines.__getitem__, kinds)) - bad
                self._bar[Severity.WARNING] += bad
            elif end - start == 1:
                for line in _lines(run.fetch(run.offsets[start], run.offsets[end] - run.offsets[start])):
                    self.add(zero + _clock(line), _severity(line))
            else:
                middle = (start + end) // 2
                here = zero + _clock(run.fetch(run.offsets[middle], _STAMP).decode("ascii"))
                parts += [(start, middle, since, here), (middle, end, here, until)]

    def _turn_to(self, time: int) -> None:
        key = time // self._width
        if key not in self._bars:
            key = self._open(time)
        self._bar = self._bars[key]
        self._low = key * self._width
        self._high = self._low + self._width

    def _open(self, time: int) -> int:
        """Make a bar for *time*, and all bars wider until there are few enough; returns its key."""
        key = time // self._width
        first, last = (min(self._first, key), max(self._last, key)) if self._bars else (key, key)
        while last - first >= MAX_BARS:
            wider = _wider(self._width)
            factor, self._width = wider // self._width, wider
            self._bars = _joined(self._bars, factor)
            first, last = first // factor, last // factor
        self._first, self._last = first, last
        key = time // self._width
        self._bars.setdefault(key, [0] * (_FAILED + 1))
        return key

    def result(self) -> Activity | None:
        """The bars, by time; None if nothing had one."""
        found = [Bar(key * self._width, *counts) for key, counts in sorted(self._bars.items()) if any(counts)]
        return Activity(self._width, tuple(found)) if found else None


def _wider(width: int) -> int:
    return _WIDTHS[_WIDTHS.index(width) + 1] if width < DAY else width * 2


def _joined(bars: dict[int, list[int]], factor: int) -> dict[int, list[int]]:
    joined: dict[int, list[int]] = {}
    for key, counts in bars.items():
        before = joined.get(key // factor)
        joined[key // factor] = (
            counts if before is None else [one + other for one, other in zip(before, counts, strict=True)]
        )
    return joined


# ---------------------------------------------------------------- lines that were not read: headers of known form


def _lines(block: bytes) -> Iterable[str]:
    return block.decode("ascii").split("\n")[:-1]


def _severity(line: str) -> int:
    return Severity.INFO if line[0] == "I" else Severity.WARNING


def _clock(head: str) -> int:
    """µs since the month began, of a klog header."""
    minutes = (int(head[3:5]) * 24 + int(head[6:8])) * 60 + int(head[9:11])
    return (minutes * 60 + int(head[12:14])) * SECOND + int(head[15:21])


def _dated(head: str, year: int | None, zone: int) -> int | None:
    if year is None:
        return None
    minute = civil(year, int(head[1:3]), int(head[3:5]), int(head[6:8]), int(head[9:11]))
    return None if minute is None else minute - zone + int(head[12:14] + head[15:21])
