"""Times as logs write them, read into microseconds since the epoch (UTC).

``datetime`` costs microseconds per call, so it is asked once per minute of log time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from logscan.model import EPOCH

DAY = 86_400_000_000
LAST_MICROSECOND = 253_402_300_800_000_000  # the end of the year 9999: what model.rfc3339 can still write

# minute, second, separator, fraction, zone
RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}):([0-9]{2})(?:([.,])([0-9]{1,12}))?(Z|[+-][0-9]{2}:?[0-9]{2})?(?=[ \t]|$)"
)
MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip


def civil(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int | None:
    """Return µs since the epoch of a UTC time; None if the calendar has no such.  A leap second is the one before it."""
    try:
        span = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC) - EPOCH
    except ValueError:
        return None
    return (span.days * 86_400 + span.seconds) * 1_000_000


def micros(fraction: str | None) -> int:
    """Return the µs that the digits after the point stand for; nanoseconds are cut."""
    return int(fraction[:6].ljust(6, "0")) if fraction else 0


def year_of(time: int) -> int:
    """Return the year (UTC) of *time*, µs since the epoch."""
    return datetime.fromtimestamp(time / 1e6, UTC).year


def latest_year(reference: int, zone: int, month: int, day: int, hour: int, minute: int) -> int | None:
    """Return the year for a stamp without one: the latest in which it is no more than a day after *reference*.

    Args:
        reference: µs since the epoch.
        zone: µs that the stamp's clock is east of UTC.
        month: of the stamp; *day*, *hour* and *minute* too.
    """
    year = year_of(reference) + 1
    for candidate in range(year, year - 10, -1):  # ten: past the longest way back to a 29 February
        time = civil(candidate, month, day, hour, minute)
        if time is not None and time - zone <= reference + DAY:
            return candidate
    return None


# Kibana's: Nov 23, 2026 @ 11:50:48.037
_READABLE = re.compile(
    r"([A-Z][a-z]{2}) ([0-9]{1,2}), ([0-9]{4}) @ ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
)


class Stamps:
    """Reads the stamps of one input; remembers the last minute.

    Args:
        zone: minutes east of UTC of stamps that do not say their zone.
    """

    def __init__(self, zone: int = 0) -> None:
        self._zone = zone * 60_000_000
        self._minute = ""
        self._base: int | None = None

    def rfc3339(self, match: re.Match[str]) -> int | None:
        """Read a match of RFC3339; None if there is no such date."""
        minute, second, _, fraction, zone = match.groups()
        if minute != self._minute:
            self._minute = minute
            self._base = civil(
                *(int(part) for part in (minute[:4], minute[5:7], minute[8:10], minute[11:13], minute[14:]))
            )
        if self._base is None:
            return None
        time = self._base + int(second) * 1_000_000 + micros(fraction)
        if zone is None:
            time -= self._zone
        elif zone != "Z":
            east = (int(zone[1:3]) * 60 + int(zone[-2:])) * 60_000_000
            time += -east if zone[0] == "+" else east
        return time if 0 <= time < LAST_MICROSECOND else None

    def local(self, year: int, clock: tuple[int, int, int, int, int], fraction: str | None = None) -> int | None:
        """Read a stamp without zone; *clock* is month, day, hour, minute and second."""
        time = civil(year, *clock)
        if time is None:
            return None
        time += micros(fraction) - self._zone
        return time if 0 <= time < LAST_MICROSECOND else None

    def yearless(
        self, reference: int | None, clock: tuple[int, int, int, int, int], fraction: str | None
    ) -> int | None:
        """Read syslog's stamp, which has no year, so that it is not after *reference* (µs); None without one."""
        if reference is None:
            return None
        year = latest_year(reference, self._zone, *clock[:4])
        return None if year is None else self.local(year, clock, fraction)

    def any(self, value: Any) -> int | None:
        """Read a time out of JSON: RFC 3339, or a number of s, ms, µs or ns since the epoch."""
        if isinstance(value, str):
            if match := RFC3339.match(value):
                return self.rfc3339(match)
            if match := _READABLE.fullmatch(value):
                month, day, year, *clock, fraction = match.groups()
                hour, minute, second = map(int, clock)
                return self.local(int(year), (MONTHS.get(month, 0), int(day), hour, minute, second), fraction)
            if not (value.isascii() and value.isdigit() and len(value) < 25):
                return None
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1e8 < value < 2e18:
            return None
        for limit, factor in ((1e11, 1_000_000), (1e14, 1_000)):
            if value < limit:
                return round(value * factor)
        return int(value) if value < 1e17 else int(value) // 1_000
