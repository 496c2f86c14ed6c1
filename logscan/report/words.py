"""Words that several pages say alike: counts, lists, spans of time."""

from __future__ import annotations

from collections.abc import Sequence

from logscan.model import rfc3339


def count(number: int, noun: str) -> str:
    """Such as: 1 volume, 1,234 volumes."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def more(number: int, noun: str) -> str:
    """Such as: and 3 more volumes."""
    return f"and {number:,} more {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Such as: a, b and 37 more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def span(first: int | None, last: int | None) -> str:
    """Such as: 2026-07-20 09:53:52 to 09:54:48 UTC.  Empty where no time is known."""
    one, other = rfc3339(first), rfc3339(last)
    if one is None or other is None:
        only = one or other
        return f"{only[:10]} {only[11:19]} UTC" if only else ""
    start = f"{one[:10]} {one[11:19]}"
    if one[:19] == other[:19]:
        return f"{start} UTC"
    end = other[11:19] if one[:10] == other[:10] else f"{other[:10]} {other[11:19]}"
    return f"{start} to {end} UTC"


def duration(micros: int) -> str:
    """A length of time in at most six columns: 21ms, 1.6s, 1m58s, 2h05m, 3d04h."""
    seconds = micros / 1_000_000
    if micros < 1_000:
        return "<1ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    days = whole // 86_400
    return f"{days}d{whole % 86_400 // 3600:02}h" if days < 100 else f"{days}d"
