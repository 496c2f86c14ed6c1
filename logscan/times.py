"""What the user says of time: a zone and the latest time that a log can have."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from logscan.errors import LogscanError

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?")


def zone_and_reference(zone: str | None, reference: str | None) -> tuple[int, int | None]:
    """Understand ``--tz`` and ``--reference-time``.

    Returns:
        Minutes east of UTC, and µs since the epoch.  A named zone has the
        offset that it has at the reference time, or now: one log's stamps
        rarely span the change of the clocks, and klog does not say which side
        they are on.

    Raises:
        LogscanError: one of them cannot be understood.
    """
    place = _zone(zone) if zone is not None else UTC
    moment = _moment(reference, place) if reference is not None else datetime.now(UTC)
    offset = moment.astimezone(place).utcoffset() or timedelta()
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return offset // timedelta(minutes=1), micros if reference is not None else None


def _zone(text: str) -> tzinfo:
    help_text = "a name like Europe/Berlin, or an offset like +02:00"
    if text.upper() in {"UTC", "GMT", "Z"}:
        return UTC
    if found := _OFFSET.fullmatch(text):
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        if minutes >= 24 * 60 or int(found[3] or 0) >= 60:
            raise LogscanError("--tz", f"{text!r} is no offset from UTC", help_text)
        return timezone(timedelta(minutes=minutes if found[1] == "+" else -minutes))
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(text)
    # ZoneInfo has several ways to say no: OSError is for a name that is a directory of zones.
    except (KeyError, ValueError, OSError):
        raise LogscanError("--tz", f"there is no time zone {text!r}", help_text) from None


def _moment(text: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        help_text = "RFC 3339, like 2026-07-20T10:00:00Z"
        raise LogscanError("--reference-time", f"{text!r} is no time", help_text) from None
