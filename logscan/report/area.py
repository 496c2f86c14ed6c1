"""The diagnoses of a log that goes on, as the few lines of a terminal that are redrawn in place."""

from __future__ import annotations

from collections.abc import Sequence

from logscan.ledger import Entry
from logscan.model import Report, Severity
from logscan.report.happenings import facts_of
from logscan.report.page import BOLD, GREEN, MAGENTA, RED
from logscan.report.safe import columns, fold, visible
from logscan.report.words import count, duration

MAX_HEIGHT = 24  # lines: more would push away what the terminal held before
_STYLES = {Severity.FATAL: RED, Severity.ERROR: RED, Severity.WARNING: MAGENTA, Severity.INFO: BOLD}

Line = tuple[str, str]  # visible() text of at most the width, and its style


def lines(
    report: Report | None, entries: Sequence[Entry], *, records: int, now: int, width: int, height: int
) -> list[Line]:
    """Draw the area.

    Args:
        entries: of the ledger, those that matter most first.
        records: read so far.
        now: µs since the epoch.
        width: columns that a line may take.
        height: lines that all may take; at least 4.

    Returns:
        At most *height* lines.
    """
    room = min(height, MAX_HEIGHT)
    opened = [one for one in entries if one.state == "open"]
    recovered = [one for one in entries if one.state == "recovered"]
    drawn = [*_head(report, opened, recovered, records)]
    foot: Line = ("Ctrl-C ends it and prints the full report.", "")
    for index, one in enumerate(entries):
        left = room - len(drawn) - 1
        more = len(entries) - index
        block = _entry(one, now, width)
        # The last line may have to say how many there is no room for.
        if len(block) > left - (more > 1):
            block = block[:1] if left - (more > 1) >= 1 else []
        if not block:
            drawn.append((f"and {more:,} more, see the full report", ""))
            break
        drawn += block
    return [(_cut(text, width), style) for text, style in [*drawn, foot][:room]]


def _head(report: Report | None, opened: Sequence[Entry], recovered: Sequence[Entry], records: int) -> list[Line]:
    read = count(records, "record")
    calls = report.calls if report is not None else None
    if calls is not None and calls.total:
        read += f", {count(calls.total, 'call')} ({calls.failed:,} failed)"
    if opened:
        word, style = "FAILING", RED if any(one.diagnosis.severity >= Severity.ERROR for one in opened) else MAGENTA
    else:
        word, style = ("NOTHING FAILS", GREEN) if records else ("WAITING", BOLD)
    state = f"{word}: {len(opened):,} open, {len(recovered):,} recovered" if opened or recovered else word
    return [(f"logscan: {state}; {read}", style)]


def _entry(one: Entry, now: int, width: int) -> list[Line]:
    about = one.diagnosis
    said = about.cause or about.title
    if one.state == "recovered":
        return [(f"recovered {_ago(now - one.changed)}: {visible(about.category)}: {visible(said)}", "")]
    head = f"{about.severity.name.lower()}: {about.category} (open for {_since(now - one.opened)})"
    block: list[Line] = [(visible(head), _STYLES[about.severity])]
    block += [("  " + part, "") for part in fold(visible(said), max(20, width - 2))[:3]]
    if facts := facts_of(about):
        block.append((f"  {visible(facts)}", ""))
    if about.remedy.summary:
        block.append((f"  fix: {visible(about.remedy.summary)}", ""))
    return block


def _since(micros: int) -> str:
    return duration(max(0, micros) // 1_000_000 * 1_000_000) if micros >= 1_000_000 else "0s"


def _ago(micros: int) -> str:
    return f"{_since(micros)} ago" if micros >= 1_000_000 else "just now"


def _cut(text: str, width: int) -> str:
    if columns(text) <= width:
        return text
    kept = text
    while columns(kept) > width - 3:
        kept = kept[: len(kept) - max(1, (columns(kept) - width + 3) // 2)]
    return kept + "..."
